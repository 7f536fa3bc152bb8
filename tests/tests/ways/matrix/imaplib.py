import imaplib
import os

login, token, mechanism = os.environ["LOGIN"], os.environ["TOKEN"], os.environ["MECHANISM"]


def respond(challenge):
    if mechanism == "XOAUTH2":
        return f"user={login}\x01auth=Bearer {token}\x01\x01".encode()
    return f"n,a={login},\x01auth=Bearer {token}\x01\x01".encode()


server = imaplib.IMAP4("127.0.0.1", int(os.environ["PORT"]), timeout=20)
server.authenticate(mechanism, respond)
status, _ = server.select("INBOX")
assert status == "OK", status
server.logout()
