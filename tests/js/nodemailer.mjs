// Sends one message by SMTP with a token; ends with 0 if the server took it.

import nodemailer from 'nodemailer';

const { PORT, LOGIN, TOKEN, RECIPIENT } = process.env;
const transport = nodemailer.createTransport({
  host: '127.0.0.1', port: Number(PORT), secure: false, ignoreTLS: true,
  auth: { type: 'OAuth2', user: LOGIN, accessToken: TOKEN },
});
await transport.sendMail({ from: LOGIN, to: RECIPIENT, subject: 'nodemailer', text: 'test' });
