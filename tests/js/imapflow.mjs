// Logs in by IMAP with a token and opens the inbox; ends with 0 if that went well.

import { ImapFlow } from 'imapflow';

const { PORT, LOGIN, TOKEN } = process.env;
const client = new ImapFlow({
  host: '127.0.0.1', port: Number(PORT), secure: false, doSTARTTLS: false, logger: false,
  auth: { user: LOGIN, accessToken: TOKEN },
});
client.on('error', () => {});
await client.connect();
await client.mailboxOpen('INBOX');
await client.logout();
