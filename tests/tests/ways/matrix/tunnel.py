# Relays between standard input and output and a port of loopback, and ends as soon as one side does.

import os
import select
import socket
import sys

server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    readable, _, _ = select.select([0, server], [], [])
    if server in readable:
        data = server.recv(65536)
        if not data:
            break
        os.write(1, data)
    if 0 in readable:
        data = os.read(0, 65536)
        if not data:
            break
        server.sendall(data)
