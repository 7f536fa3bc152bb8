import base64
import os
import poplib

# poplib knows no AUTH command: scripts send it by the method that all of its own commands use.
login, token, mechanism = os.environ["LOGIN"], os.environ["TOKEN"], os.environ["MECHANISM"]
header = f"user={login}" if mechanism == "XOAUTH2" else f"n,a={login},"
response = base64.b64encode(f"{header}\x01auth=Bearer {token}\x01\x01".encode()).decode()
server = poplib.POP3("127.0.0.1", int(os.environ["PORT"]), timeout=20)
answer = server._shortcmd(f"AUTH {mechanism} {response}")
if answer.startswith(b"+ "):
    server._shortcmd("" if mechanism == "XOAUTH2" else "AQ==")
server.stat()
server.quit()
