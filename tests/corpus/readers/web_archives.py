"""What the tests of web archives share: records of WARC and ARC files, made here."""


def response(body, status="200 OK", kind="text/html", url="http://a.example/", extra="", newline="\r\n"):
    http = newline.join([f"HTTP/1.1 {status}", f"Content-Type: {kind}", *extra.split("\r\n")[: extra.count("\r\n")]])
    return record(f"{http}{newline}{newline}".encode() + body, url=url)


def record(content, warc_type="response", kind="application/http; msgtype=response", url="http://a.example/"):
    head = (
        f"WARC/1.0\r\nWARC-Type: {warc_type}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-05-18T01:58:10Z\r\n"
        f"WARC-Record-ID: <urn:uuid:12345678-1234-1234-1234-123456789abc>\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n\r\n"


def pages(count):
    return [response(page(number).encode(), url=f"http://a.example/{number}") for number in range(count)]


def page(number):
    return f"<p>page {number}, 第{number}页</p>" * 50


def arc_record(content, url, version=1, kind="text/html"):
    more = " 200 - - 1234 a.arc" if version == 2 else ""
    return f"{url} 10.0.0.1 20050101120000 {kind}{more} {len(content)}\n".encode() + content + b"\n"


def arc_pages(count, version=1):
    names = " Result-code Checksum Location Offset Filename" if version == 2 else ""
    about = f"{version} 0 Crawler\nURL IP-address Archive-date Content-type{names} Archive-length\n\n".encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    records = [
        arc_record(head + page(number).encode(), f"http://a.example/{number}", version) for number in range(count)
    ]
    return [arc_record(about, "filedesc://a.arc", version, "text/plain"), *records]


def offsets(parts):
    found, offset = [], 0
    for part in parts:
        found.append(str(offset))
        offset += len(part)
    return found
