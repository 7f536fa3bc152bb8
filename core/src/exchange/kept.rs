//! What a driver says that it keeps, accounts or application passwords: before the first step.

use super::{
    Accounts, AskAccounts, AskPasswords, Exchange, NoAccounts, NoPasswords, State,
    account::sealed::Told,
};

impl<'b> Exchange<'b> {
    /// Has the user of a good token wait for an account, by [`Output::FindAccount`](super::Output::FindAccount); not
    /// so where `is_asked` is false, for a driver that keeps accounts now and then. It is said before the first step.
    #[must_use]
    pub fn with_accounts(self, is_asked: bool) -> Exchange<'b, AskAccounts> {
        self.keeping(|NoAccounts| AskAccounts {
            is_asked,
            is_another_claimed: false,
            told: Told::default(),
            passwords: NoPasswords,
        })
    }
}

impl<'b> Exchange<'b, AskAccounts> {
    /// Takes application passwords over PLAIN and LOGIN, each looked for by
    /// [`Output::FindPassword`](super::Output::FindPassword); not so where `are_kept` is false, for a driver that
    /// keeps them now and then. It is said before the first step.
    ///
    /// Without it, whatever has their prefix is refused: it goes nowhere else.
    #[must_use]
    pub fn with_passwords(self, are_kept: bool) -> Exchange<'b, AskAccounts<AskPasswords>> {
        self.keeping(|accounts| AskAccounts {
            is_asked: accounts.is_asked,
            is_another_claimed: accounts.is_another_claimed,
            told: accounts.told,
            passwords: AskPasswords { are_kept },
        })
    }
}

impl<'b, A: Accounts> Exchange<'b, A> {
    /// The same, of a driver that keeps more.
    fn keeping<B: Accounts>(self, more: impl FnOnce(A) -> B) -> Exchange<'b, B> {
        let message = match self.state {
            State::Received(message) => message,
            // What has begun begins again, without its message.
            _ => &[],
        };
        Exchange {
            settings: self.settings,
            mechanism: self.mechanism,
            claimed: self.claimed,
            token: self.token,
            provider: self.provider,
            is_verified: self.is_verified,
            question: self.question,
            is_answer_verified: self.is_answer_verified,
            grant_buffer: self.grant_buffer,
            granter: self.granter,
            accounts: more(self.accounts),
            state: State::Received(message),
        }
    }
}
