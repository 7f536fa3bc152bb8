"""django-oauth-toolkit as an identity provider: over TLS with client certificates for Gatepost, and over plain
HTTP on this host for the tests, which get and revoke tokens there."""

import ssl
import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

DIRECTORY, PLAIN_PORT, TLS_PORT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

settings.configure(
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    # It says how long an answer is: without that, one over TLS that just ends could have been cut off.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.sqlite3", "NAME": f"{DIRECTORY}/db.sqlite3", "OPTIONS": {"timeout": 20},
    }},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "SCOPES": {"mail": "mail", "calendar": "calendar", "introspection": "introspection"},
        "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    },
)
django.setup()
urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *_arguments):
        """A request line may hold a token."""


def serve(port, context=None):
    server = make_server("127.0.0.1", port, get_wsgi_application(), Server, Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from oauth2_provider.models import Application

    for name in ["alice@example.test", "bob@example.test"]:
        User.objects.create_user(name, password="password")
    Application.objects.create(
        name="mail", client_id="mail", client_secret="mailsecret", client_type="confidential",
        authorization_grant_type="password",
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{DIRECTORY}/server.pem", f"{DIRECTORY}/server.key")
    context.load_verify_locations(f"{DIRECTORY}/authority.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    serve(PLAIN_PORT)
    serve(TLS_PORT, context)
    print("ready", flush=True)
    threading.Event().wait()


main()
