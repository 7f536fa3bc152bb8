import io
import os
import pycurl

curl = pycurl.Curl()
url = os.environ["URL"]
curl.setopt(curl.URL, url)
curl.setopt(curl.USERNAME, os.environ["LOGIN"])
curl.setopt(curl.XOAUTH2_BEARER, os.environ["TOKEN"])
curl.setopt(curl.LOGIN_OPTIONS, "AUTH=" + os.environ["MECHANISM"])
curl.setopt(curl.TIMEOUT, 20)
if url.startswith("smtp"):
    curl.setopt(curl.MAIL_FROM, os.environ["LOGIN"])
    curl.setopt(curl.MAIL_RCPT, [os.environ["RECIPIENT"]])
    curl.setopt(curl.READDATA, io.BytesIO(b"Subject: pycurl\r\n\r\ntest\r\n"))
    curl.setopt(curl.UPLOAD, 1)
elif url.startswith("imap"):
    curl.setopt(curl.CUSTOMREQUEST, "NOOP")
curl.perform()
