//! Frames that no honest neighbour would send, on the wire of the appliance.

use std::io;
use std::iter;
use std::net::UdpSocket;
use std::time::Duration;

/// What QEMU calls the first board's network card, and everybody.
const DEVICE: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const EVERYBODY: [u8; 6] = [0xff; 6];
const STRANGER: [u8; 6] = [2, 0, 0, 0, 0, 9];

const ADDRESS: [u8; 4] = [10, 0, 2, 15];
const STRANGERS_ADDRESS: [u8; 4] = [10, 0, 2, 77];
/// The device's host, which its time server is on.
const HOST: [u8; 4] = [10, 0, 2, 2];

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A place on the wire of the device.
#[derive(Debug)]
pub struct Wire(UdpSocket);

impl Wire {
    /// Sends from one UDP port of loopback, which QEMU takes frames from, to the other.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open([from, to]: [u16; 2]) -> io::Result<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", from))?;
        socket.connect(("127.0.0.1", to))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(Self(socket))
    }

    /// A second handle of the same place.
    ///
    /// # Errors
    /// Those of the system.
    pub fn another(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// Those of the system.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.send(frame).map(drop)
    }

    /// Whether the device answers a neighbour, so that frames do arrive.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let mut frame = [0; 2048];
        let asked = self.send(&ethernet(EVERYBODY, ARP, &arp_request()));
        // There may be other frames before the answer; the next question finds it.
        asked.is_ok()
            && iter::repeat_with(|| self.0.recv(&mut frame).map(|_| frame))
                .map_while(Result::ok)
                .any(|frame| frame[..6] == STRANGER && frame[6..12] == DEVICE)
    }
}

/// Of every length, and of none of the protocols.
#[must_use]
pub fn malformed() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for length in [
        1, 13, 14, 15, 18, 33, 34, 41, 42, 59, 60, 1513, 1514, 1515, 1518, 1600, 2000,
    ] {
        for filling in [0, 0x45, 0xff] {
            frames.push(vec![filling; length]);
        }
        for kind in [IPV4, ARP, 0x86dd, 0x8100, 0x05dc] {
            let payload = vec![0x45; length];
            frames.push(ethernet(DEVICE, kind, &payload));
        }
    }
    frames
}

/// Headers that say something else than what follows.
#[must_use]
pub fn lies() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let segment = tcp(40_000, *b"\x02\x04\x05\xb4");
    for (protocol, payload) in [
        (ICMP, vec![8, 0, 0, 0, 0, 1, 0, 1]),
        (ICMP, vec![3, 4, 0, 0, 0, 0, 0, 0, 0x45]),
        (UDP, udp(68, &[2; 300])),
        (UDP, udp(68, &dhcp_offer(&[53, 255]))),
        (
            UDP,
            udp(68, &dhcp_offer(&[53, 1, 2, 54, 0, 51, 4, 0, 0, 0, 0, 255])),
        ),
        (
            UDP,
            udp(68, &dhcp_offer(&[53, 1, 5, 1, 3, 255, 255, 255, 3, 200])),
        ),
        (UDP, udp(123, &[0x24; 48])),
        (UDP, udp(53, &[0xc0; 64])),
        (UDP, vec![0, 53, 0, 68, 0, 3, 0, 0]),
        (TCP, segment.clone()),
        // Options without end, of length 0, and beyond the header.
        (TCP, tcp(40_001, *b"\x02\x00\x01\x01")),
        (TCP, tcp(40_002, *b"\x05\xff\x01\x01")),
        (TCP, segment[..12].to_vec()),
        (41, vec![0x60; 60]),
    ] {
        let good = ipv4(protocol, &payload);
        frames.push(good.clone());
        // The version, the header's length, the total length, a fragment, no time to live, another address.
        for (place, value) in [
            (0, 0x65),
            (0, 0x4f),
            (0, 0x41),
            (2, 0xff),
            (3, 1),
            (6, 0x3f),
            (8, 0),
            (19, 1),
        ] {
            let mut lie = good.clone();
            lie[place] = value;
            seal(&mut lie);
            frames.push(lie);
        }
    }
    frames
        .into_iter()
        .map(|packet| ethernet(DEVICE, IPV4, &packet))
        .collect()
}

/// Good frames with some of their bytes changed, the same in every run.
#[must_use]
pub fn mutations() -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_u32;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize
    };
    let seeds = [
        ethernet(DEVICE, IPV4, &ipv4(TCP, &tcp(41_000, *b"\x02\x04\x05\xb4"))),
        ethernet(
            EVERYBODY,
            IPV4,
            &ipv4(UDP, &udp(68, &dhcp_offer(&[53, 1, 2, 255]))),
        ),
        ethernet(DEVICE, IPV4, &ipv4(ICMP, &[8, 0, 0xf7, 0xfd, 0, 1, 0, 1])),
        ethernet(EVERYBODY, ARP, &arp_request()),
    ];
    let mutate = |number: usize| {
        let mut frame = seeds[number % seeds.len()].clone();
        for _ in 0..=random() % 4 {
            // The addresses of the hub stay, so that it arrives.
            let place = 12 + random() % (frame.len() - 12);
            frame[place] = random().to_le_bytes()[0];
        }
        frame
    };
    (0..2000).map(mutate).collect()
}

/// More connections that are never completed than the device has sockets.
#[must_use]
pub fn forged_connections() -> Vec<Vec<u8>> {
    let connection = |port| ethernet(DEVICE, IPV4, &ipv4(TCP, &tcp(port, *b"\x02\x04\x05\xb4")));
    (42_000..42_064).map(connection).collect()
}

/// Answers of a time server of the host's that nobody asked for, at ports that the device may ask from: it will be the
/// 1st of January 2036.
#[must_use]
pub fn wrong_times(server: u16) -> Vec<Vec<u8>> {
    let mut answer = [0; 48];
    answer[..4].copy_from_slice(&[0x24, 2, 0, 0xec]);
    for place in [16, 32, 40] {
        answer[place..place + 4].copy_from_slice(&4_291_747_200_u32.to_be_bytes());
    }
    let answered = |port| {
        let datagram = udp_from(server, port, &answer);
        ethernet(DEVICE, IPV4, &ipv4_from(HOST, UDP, &datagram))
    };
    (1024..=u16::MAX).step_by(97).map(answered).collect()
}

fn ethernet(to: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &STRANGER, &kind.to_be_bytes(), payload].concat()
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_from(STRANGERS_ADDRESS, protocol, payload)
}

fn ipv4_from(source: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len())
        .expect("a packet")
        .to_be_bytes();
    let mut packet = vec![
        0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, protocol, 0, 0,
    ];
    packet.extend(source);
    packet.extend(ADDRESS);
    packet.extend(payload);
    seal(&mut packet);
    packet
}

/// Writes the checksum of the header (RFC 791 section 3.1).
fn seal(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let checksum = checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&checksum);
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | word.get(1).copied().map_or(0, u32::from));
    let sum: u32 = words.sum();
    let folded = (sum >> 16) + (sum & 0xffff);
    let folded = (folded >> 16) + (folded & 0xffff);
    (!u16::try_from(folded).unwrap_or(u16::MAX)).to_be_bytes()
}

/// A datagram to `port`, without checksum (RFC 768).
fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    udp_from(67, port, payload)
}

fn udp_from(source: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a datagram");
    let header = [source, port, length, 0].map(u16::to_be_bytes);
    [header.as_flattened(), payload].concat()
}

/// A SYN to the auth protocol's port, with four bytes of options (RFC 9293 section 3.1).
fn tcp(port: u16, options: [u8; 4]) -> Vec<u8> {
    let mut segment = [port, 12345].map(u16::to_be_bytes).as_flattened().to_vec();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 4, 0, 0, 0, 0, 0]);
    segment.extend(options);
    let length = [0, TCP, 0, 24];
    let pseudo = [&STRANGERS_ADDRESS[..], &ADDRESS, &length, &segment].concat();
    let checksum = checksum(&pseudo);
    segment[16..18].copy_from_slice(&checksum);
    segment
}

/// A BOOTP answer with `options` (RFC 2131 section 2).
fn dhcp_offer(options: &[u8]) -> Vec<u8> {
    let mut offer = vec![2, 1, 6, 0];
    offer.resize(28, 0);
    offer.extend(DEVICE);
    offer.resize(236, 0);
    offer.extend([0x63, 0x82, 0x53, 0x63]);
    offer.extend(options);
    offer
}

/// Who has the device's address? (RFC 826)
fn arp_request() -> Vec<u8> {
    let mut request = vec![0, 1, 8, 0, 6, 4, 0, 1];
    request.extend(STRANGER);
    request.extend(STRANGERS_ADDRESS);
    request.extend([0; 6]);
    request.extend(ADDRESS);
    request
}
