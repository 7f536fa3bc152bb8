import os
import smtplib

login, token, mechanism = os.environ["LOGIN"], os.environ["TOKEN"], os.environ["MECHANISM"]


def respond(challenge=None):
    if mechanism == "XOAUTH2":
        return "" if challenge else f"user={login}\x01auth=Bearer {token}\x01\x01"
    return "\x01" if challenge else f"n,a={login},\x01auth=Bearer {token}\x01\x01"


with smtplib.SMTP("127.0.0.1", int(os.environ["PORT"]), timeout=20) as server:
    server.ehlo("client.example.test")
    server.auth(mechanism, respond)
    server.sendmail(login, [os.environ["RECIPIENT"]], b"Subject: smtplib\r\n\r\ntest\r\n")
