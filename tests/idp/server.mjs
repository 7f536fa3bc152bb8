// A real identity provider for Gatepost's tests: oidc-provider with every signing algorithm, opaque and JWT
// access tokens, introspection, revocation and userinfo, and a side door for what only a test may do.
//
// node server.mjs PORT STATE [ISSUER CERTIFICATES KEY]: listens on 127.0.0.1:PORT and says "ready" on standard
// output. STATE is the file of its private keys, made where there is none, so that a restart keeps them. An
// ISSUER of https is served on its port, on loopback too, with the chain and the key in these files.

import { readFileSync, writeFileSync } from 'node:fs';
import { createSecretKey } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { text } from 'node:stream/consumers';
import * as jose from 'jose';
import Provider, { errors } from 'oidc-provider';

// Whoever waits for "ready" reads no further.
console.info = console.error;

const [port, state] = [Number(process.argv[2]), process.argv[3]];
const [certificates, key] = process.argv.slice(5);
const issuer = process.argv[4] ?? `http://127.0.0.1:${port}`;
const USERS = /^(alice|bob)@[a-z0-9]+\.test$/;
const SECRET = 'a secret of sixty-four characters, so that it serves HS512 also..';

const KEYS = [
  ['RS', 'RS256'], ['PS', 'PS256'], ['ES256', 'ES256'], ['ES384', 'ES384'], ['ES512', 'ES512'],
  ['Ed25519', 'Ed25519'],
];

async function makeKeys(generation, modulusLength = 2048) {
  const keys = [];
  for (const [name, alg] of KEYS) {
    const { privateKey } = await jose.generateKeyPair(alg, { extractable: true, modulusLength });
    const jwk = await jose.exportJWK(privateKey);
    // RSA and Ed25519 keys without `alg`, as many providers publish them: one serves RS256 to PS512.
    keys.push({ ...jwk, kid: `${name}-${generation}`, use: 'sig', ...(name.startsWith('ES') && { alg }) });
  }
  return keys;
}

function load() {
  try {
    return JSON.parse(readFileSync(state, 'utf8'));
  } catch {
    return undefined;
  }
}

let saved = load() ?? { generation: 1, keys: await makeKeys(1) };
writeFileSync(state, JSON.stringify(saved), { mode: 0o600 });

const JWTS = /^urn:(?<audience>[a-z]+):(?<alg>[A-Za-z0-9]+)$/;

function resourceServer(_context, resource) {
  const { audience, alg } = JWTS.exec(resource)?.groups ?? {};
  if (alg === 'opaque') return { scope: 'openid email mail', audience, accessTokenFormat: 'opaque' };
  if (!alg) throw new errors.InvalidTarget();
  const sign = alg.startsWith('HS') ? { alg, key: createSecretKey(SECRET, 'utf8') } : { alg };
  return { scope: 'openid email mail', audience, accessTokenFormat: 'jwt', accessTokenTTL: 3600, jwt: { sign } };
}

const claimsOf = (id) => ({ sub: id, email: id, email_verified: true, groups: ['mail', 'staff'] });

const accountOf = (id) =>
  USERS.test(id) ? { accountId: id, claims: async () => claimsOf(id) } : undefined;

const webmail = (client_id) => ({
  client_id, client_secret: `${client_id}secret`, token_endpoint_auth_method: 'client_secret_post',
  redirect_uris: ['http://127.0.0.1:8000/index.php/login/oauth'], response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token'],
});

// Ten seconds before a token's end Roundcube thinks it is over.
const lifetime = (_context, _token, client) => (client.clientId === 'hasty' ? 9 : 3600);

function make() {
  const provider = new Provider(issuer, {
    jwks: { keys: saved.keys },
    clients: [
      {
        client_id: 'mail', client_secret: 'mailsecret', token_endpoint_auth_method: 'client_secret_post', redirect_uris: [], response_types: [],
        grant_types: ['password', 'client_credentials'],
      },
      {
        client_id: 'rs', client_secret: 'rssecret', redirect_uris: [], response_types: [],
        grant_types: [], introspection_signed_response_alg: 'RS256',
      },
      webmail('webmail'), webmail('hasty'),
    ],
    // Roundcube 1.6 has no PKCE.
    pkce: { required: () => false },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    scopes: ['openid', 'email', 'mail', 'profile'],
    claims: { openid: ['sub'], email: ['email', 'email_verified', 'groups'] },
    findAccount: async (_context, id) => accountOf(id),
    extraTokenClaims: async (_context, token) =>
      token.accountId ? { email: token.accountId, azp: token.clientId, groups: ['mail', 'staff'] } : {},
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true, allowedPolicy: async () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => undefined,
        useGrantedResource: async () => true,
        getResourceServerInfo: resourceServer,
      },
    },
    enabledJWA: {
      introspectionSigningAlgValues: ['RS256', 'ES256', 'Ed25519'],
    },
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
    ttl: { AccessToken: lifetime, RefreshToken: 7200, ClientCredentials: 3600, Grant: 7200 },
  });
  provider.registerGrantType('password', passwordGrant(provider), ['username', 'password', 'scope', 'resource']);
  provider.on('server_error', (_context, error) => console.error(error));
  return provider;
}

function passwordGrant(provider) {
  return async (context) => {
    const { username, password, scope = 'openid email mail', resource } = context.oidc.params;
    const account = accountOf(username);
    if (!account || password !== 'password') throw new errors.InvalidGrant('wrong name or password');
    const client = context.oidc.client;
    const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
    grant.addOIDCScope(scope);
    if (resource) grant.addResourceScope(resource, scope);
    const grantId = await grant.save();
    const token = new provider.AccessToken({
      accountId: account.accountId, client, grantId, gty: 'password', scope,
    });
    if (resource) token.resourceServer = new provider.ResourceServer(resource, resourceServer(context, resource));
    context.body = {
      access_token: await token.save(), expires_in: token.expiration, token_type: 'Bearer', scope,
    };
  };
}

let provider = make();
let callback = provider.callback();
let cacheControl;
let fault;
let faults = 0;

// What no verdict can be read from, each in its turn.
const garbage = [
  (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Welcome</h1>'),
  (response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"active":tr'),
  (response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}'),
  (response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end('[{"active":false}]'),
  (response) => response.writeHead(500, { 'Content-Type': 'application/json' }).end('{"active":false}'),
  (response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end(Buffer.alloc(70_000, 32)),
  (response) => response.socket.end('HTTP/1.1 \0\0\0'),
  (response) => response.socket.resetAndDestroy(),
];

// What users have consented to on the pages: the user and the grant.
let grants = [];

async function revokeGrants(user) {
  for (const { grantId } of grants.filter((grant) => grant.accountId === user)) {
    for (const kind of ['AuthorizationCode', 'AccessToken', 'RefreshToken']) await provider[kind].revokeByGrantId(grantId);
    await (await provider.Grant.find(grantId))?.destroy();
  }
  grants = grants.filter((grant) => grant.accountId !== user);
}

// The provider's own pages: whoever types a name has it, and consents to everything.
async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'consent') {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    const grantId = await grant.save();
    grants.push({ accountId: session.accountId, grantId });
    return provider.interactionFinished(request, response, { consent: { grantId } });
  }
  if (request.method === 'POST') {
    const accountId = new URLSearchParams(await text(request)).get('login');
    return provider.interactionFinished(request, response, { login: { accountId } });
  }
  response.setHeader('Content-Type', 'text/html');
  return response.end('<form method="post"><input name="login"><button>Log in</button></form>');
}

// A token whose time is over, short enough for every client's and server's line.
async function expired(user) {
  const jwk = saved.keys.find(({ alg }) => alg === 'ES256');
  const token = new jose.SignJWT({ iss: issuer, aud: 'mail', sub: 'a', email: user, exp: 1_700_000_000 });
  const header = { alg: 'ES256', typ: 'at+jwt', kid: jwk.kid };
  return { access_token: await token.setProtectedHeader(header).sign(await jose.importJWK(jwk, 'ES256')) };
}

// Only tests come here.
async function sideDoor(url) {
  const what = url.searchParams;
  switch (url.pathname) {
    case '/test/rotate': {
      const generation = saved.generation + 1;
      const fresh = await makeKeys(generation, Number(what.get('bits') ?? 2048));
      saved = { generation, keys: what.has('keep') ? [...fresh, ...saved.keys] : fresh };
      writeFileSync(state, JSON.stringify(saved), { mode: 0o600 });
      provider = make();
      callback = provider.callback();
      return;
    }
    case '/test/revoke-grants':
      return revokeGrants(what.get('user'));
    case '/test/cache-control':
      cacheControl = what.get('value') ?? undefined;
      return;
    case '/test/certificate':
      tlsServer.setSecureContext(identity());
      // Whoever keeps a connection has seen the one before.
      tlsServer.closeIdleConnections();
      return;
    case '/test/expired':
      return expired(what.get('user'));
    case '/test/fault':
      fault = what.get('kind') ?? undefined;
      return;
    default:
      throw new Error(`no such thing: ${url.pathname}`);
  }
}

const identity = () => ({ cert: readFileSync(certificates), key: readFileSync(key) });

function answer(request, response) {
  const url = new URL(request.url, issuer);
  if (url.pathname.startsWith('/test/')) {
    sideDoor(url).then((answer) => response.end(JSON.stringify(answer ?? {})), (error) => response.writeHead(500).end(String(error)));
    return;
  }
  if (url.pathname.startsWith('/interaction/')) {
    interact(request, response).catch((error) => response.writeHead(500).end(String(error)));
    return;
  }
  if (url.pathname === '/jwks' && cacheControl) response.setHeader('Cache-Control', cacheControl);
  if (fault === 'garbage') {
    garbage[faults++ % garbage.length](response);
  } else if (fault === 'slow') {
    setTimeout(() => callback(request, response), 700);
  } else {
    callback(request, response);
  }
}

const tlsServer = certificates ? createTlsServer(identity(), answer) : undefined;
const ready = () => createServer(answer).listen(port, '127.0.0.1', () => console.log('ready'));
if (tlsServer) {
  tlsServer.listen(new URL(issuer).port, '127.0.0.1', ready);
} else {
  ready();
}
