<?php
// Roundcube with tokens: what README.md says to change is what differs from one house to the next.

$config['oauth_provider'] = 'generic';
$config['oauth_provider_name'] = 'Example';
$config['oauth_client_id'] = 'roundcube';
$config['oauth_client_secret'] = 'the secret of that client';
$config['oauth_auth_uri'] = 'https://id.example.com/auth';
$config['oauth_token_uri'] = 'https://id.example.com/token';
$config['oauth_identity_uri'] = 'https://id.example.com/userinfo';
$config['oauth_scope'] = 'openid email profile';
$config['oauth_identity_fields'] = ['email'];
$config['oauth_auth_parameters'] = [];
// true: nobody sees Roundcube's own login page, and its password field.
$config['oauth_login_redirect'] = false;

$config['imap_host'] = 'ssl://imap.example.com:993';
$config['smtp_host'] = 'tls://smtp.example.com:587';
// The user of the session, and its token.
$config['smtp_user'] = '%u';
$config['smtp_pass'] = '%p';
