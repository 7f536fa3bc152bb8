// A user of Roundcube in a real browser: does what each line of standard input asks for, a JSON array of a step and
// its argument, and says on standard output what the user sees then, a line each.

import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const { BROWSER, URL: base } = process.env;
const PATIENCE = 20_000;

const browser = await chromium.launch({
  executablePath: BROWSER,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  ],
});
const page = await browser.newPage();
page.setDefaultTimeout(PATIENCE);

const message = page.locator('#messagestack .alert:not(.loading)');
const complaint = page.locator('#messagestack .alert-danger, #messagestack .alert-warning').first();
const mailboxes = page.locator('#mailboxlist');
const loginButton = page.locator('#rcmloginoauth');
const listed = (subject) => page.locator('#messagelist .subject a', { hasText: subject }).first();

const steps = {
  // Through Roundcube's login page, and the provider's.
  async logIn(user) {
    await page.goto(base);
    await loginButton.click();
    await page.fill('input[name=login]', user);
    await page.click('button');
    await mailboxes.waitFor();
    return 'the mailboxes';
  },

  // Asks for new mail until it is there.
  async find(subject) {
    await page.goto(`${base}/?_task=mail`);
    await page.waitForFunction((words) => {
      if (document.querySelector('#messagelist')?.textContent.includes(words)) return true;
      if (!window.rcmail?.busy) window.rcmail?.command('checkmail');
      return false;
    }, subject, { polling: 200, timeout: PATIENCE });
    return listed(subject).innerText();
  },

  async open(subject) {
    await page.goto(new URL(await listed(subject).getAttribute('href'), base).href);
    return page.locator('#messagebody').innerText();
  },

  // Roundcube goes back to the mailbox once it has sent a message, and stays with a complaint.
  async send({ to, subject, body }) {
    await page.goto(`${base}/?_task=mail&_action=compose&_to=${encodeURIComponent(to)}`);
    await page.fill('#compose-subject', subject);
    await page.fill('#composebody', body);
    await page.click('button.send');
    await complaint.or(mailboxes).first().waitFor();
    return await complaint.isVisible() ? complaint.innerText() : 'sent';
  },

  // Loads the inbox once more, as the browser's own button does, until Roundcube says so, or shows its login page.
  async comeBack(words) {
    await page.goto(`${base}/?_task=mail`);
    const end = words === null ? loginButton : message.filter({ hasText: words });
    await end.first().waitFor();
    return (await message.allInnerTexts()).join(' ');
  },
};

// Where a step fails; without the query, which may hold a code of the provider's.
async function view() {
  const text = await page.locator('body').innerText({ timeout: 1000 }).catch(() => 'nothing');
  return `at ${page.url().replace(/\?.*/, '')} there is: ${text.replaceAll(/\s+/g, ' ').slice(0, 600)}`;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [step, argument] = JSON.parse(line);
  try {
    const sees = await steps[step](argument);
    console.log(JSON.stringify({ sees: sees.replaceAll(/\s+/g, ' ').trim() }));
  } catch (error) {
    console.log(JSON.stringify({ failed: `${step}: ${error.message.split('\n')[0]}; ${await view()}` }));
  }
}
await browser.close();
