//! The driver against a controller made of queues.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::registers::{self, Bus, Register};
use super::{Error, FRAME_LIMIT, Frame, Lan9118, Received};

const STATION: [u8; 6] = [2, 0, 0, 0x12, 0x34, 0x56];
const ERROR: u32 = 1 << 15;
const FILTERED: u32 = 1 << 30;

/// What the controller holds; only what the driver relies on is modelled.
#[derive(Default)]
struct State {
    statuses: VecDeque<u32>,
    data: VecDeque<u32>,
    transmitted: Vec<u32>,
    transmit_statuses: u32,
    events: u32,
    enabled: u32,
    mac_data: u32,
    mac_control: u32,
    mii_access: u32,
    mii_data: u32,
    link: bool,
    /// How often data was asked for that was not there.
    underruns: u32,
}

#[derive(Default)]
struct Controller(RefCell<State>);

impl Bus for &Controller {
    fn read(&self, register: Register) -> u32 {
        let mut state = self.0.borrow_mut();
        match register {
            Register::ByteTest => 0x8765_4321,
            Register::PmtCtrl => 1,
            Register::RxFifoInf => u32::try_from(state.statuses.len()).unwrap() << 16,
            Register::RxStatus => state.statuses.pop_front().unwrap_or(0),
            Register::RxData => state.data.pop_front().unwrap_or_else(|| {
                state.underruns += 1;
                0
            }),
            Register::TxFifoInf => state.transmit_statuses << 16 | 0x1200,
            Register::TxStatus => {
                state.transmit_statuses -= 1;
                0
            }
            Register::IntSts => state.events,
            Register::MacCsrData => state.mac_data,
            _ => 0,
        }
    }

    fn write(&self, register: Register, value: u32) {
        let mut state = self.0.borrow_mut();
        match register {
            Register::TxData => state.transmitted.push(value),
            Register::IntSts => state.events &= !value,
            Register::IntEn => state.enabled = value,
            Register::RxCfg if value & registers::RX_DUMP != 0 => {
                state.statuses.clear();
                state.data.clear();
            }
            Register::MacCsrData => state.mac_data = value,
            Register::MacCsrCmd => state.command_mac(value),
            _ => {}
        }
    }
}

impl State {
    fn command_mac(&mut self, command: u32) {
        let reads = command & registers::MAC_READ != 0;
        match (command & 0xf, reads) {
            (1, false) => {
                if self.mac_data & registers::MAC_RECEIVES == 0 {
                    self.events |= registers::RECEIVER_STOPPED;
                }
                self.mac_control = self.mac_data;
            }
            (2, true) => self.mac_data = 0x5634,
            (3, true) => self.mac_data = 0x1200_0002,
            (6, false) => self.mii_access = self.mac_data & !registers::MII_BUSY,
            (6, true) => self.mac_data = self.mii_access,
            (7, false) => self.mii_data = self.mac_data,
            (7, true) => self.mac_data = self.read_phy(self.mii_access >> 6 & 0x1f),
            other => panic!("no such command: {other:?}"),
        }
    }

    fn read_phy(&self, register: u32) -> u32 {
        match register {
            1 => u32::from(self.link) << 2,
            _ => 0,
        }
    }
}

impl Controller {
    /// Has a frame arrive whose status has `flags`; its check sequence is all ones.
    fn arrives(&self, frame: &[u8], flags: u32) {
        let mut state = self.0.borrow_mut();
        let mut bytes = frame.to_vec();
        bytes.extend([0xff; 4]);
        let length = u32::try_from(bytes.len()).unwrap();
        state.statuses.push_back(length << 16 | flags);
        for word in bytes.chunks(4) {
            let mut padded = [0; 4];
            padded[..word.len()].copy_from_slice(word);
            state.data.push_back(u32::from_le_bytes(padded));
        }
    }
}

/// A frame whose bytes tell their places.
fn frame(length: usize) -> Vec<u8> {
    (0_u8..=250).cycle().take(length).collect()
}

fn empty() -> Frame {
    [0; size_of::<Frame>()]
}

#[track_caller]
fn expect_frame(chip: &mut Lan9118<&Controller>, sent: &[u8]) {
    let mut received = empty();
    assert!(chip.frame_waits());
    assert_eq!(chip.receive(&mut received), Received::Frame(sent.len()));
    assert_eq!(&received[..sent.len()], sent);
}

#[track_caller]
fn expect_refused(chip: &mut Lan9118<&Controller>) {
    assert!(chip.frame_waits());
    assert_eq!(chip.receive(&mut empty()), Received::Refused);
}

#[test]
fn frames_come_out_as_they_came_in() {
    let controller = Controller::default();
    let mut chip = Lan9118::start(&controller).unwrap();
    for length in 14..FRAME_LIMIT {
        controller.arrives(&frame(length), 0);
        controller.arrives(&frame(length + 1), 0);
        expect_frame(&mut chip, &frame(length));
        expect_frame(&mut chip, &frame(length + 1));
    }
    assert!(!chip.frame_waits());
    assert_eq!(controller.0.borrow().underruns, 0);
}

#[test]
fn runts_and_giants_are_refused_and_the_next_frame_is_whole() {
    let controller = Controller::default();
    let mut chip = Lan9118::start(&controller).unwrap();
    for length in (0..14).chain((FRAME_LIMIT + 1..0x3fff - 4).step_by(97)) {
        controller.arrives(&frame(length), 0);
        controller.arrives(&frame(60), 0);
        expect_refused(&mut chip);
        expect_frame(&mut chip, &frame(60));
    }
}

#[test]
fn frames_with_errors_are_refused_and_the_next_frame_is_whole() {
    let controller = Controller::default();
    let mut chip = Lan9118::start(&controller).unwrap();
    for flags in [
        ERROR,
        FILTERED,
        ERROR | 1 << 1,
        ERROR | 1 << 7,
        ERROR | 1 << 11,
    ] {
        controller.arrives(&frame(77), flags);
        controller.arrives(&frame(60), 0);
        expect_refused(&mut chip);
        expect_frame(&mut chip, &frame(60));
    }
}

#[test]
fn a_status_without_data_empties_the_receiver_and_frames_go_on() {
    for length in 0..4 {
        let controller = Controller::default();
        let mut chip = Lan9118::start(&controller).unwrap();
        controller.0.borrow_mut().statuses.push_back(length << 16);
        controller.arrives(&frame(60), 0);
        expect_refused(&mut chip);
        assert!(!chip.frame_waits());
        controller.arrives(&frame(61), 0);
        expect_frame(&mut chip, &frame(61));
    }
}

#[test]
fn a_receiver_error_empties_the_receiver_and_frames_go_on() {
    let controller = Controller::default();
    let mut chip = Lan9118::start(&controller).unwrap();
    controller.arrives(&frame(60), 0);
    controller.0.borrow_mut().data.pop_front();
    controller.0.borrow_mut().events = registers::RECEIVER_ERROR;
    chip.take_events();
    assert!(!chip.frame_waits());
    assert_eq!(controller.0.borrow().mac_control, registers::MAC_RUNS);
    controller.arrives(&frame(61), 0);
    expect_frame(&mut chip, &frame(61));
}

#[test]
fn a_frame_is_sent_as_one_segment_of_whole_words() {
    let controller = Controller::default();
    let mut chip = Lan9118::start(&controller).unwrap();
    let mut outgoing = empty();
    outgoing[..6].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
    chip.send(&outgoing, 6);
    let expected = [0x3000 | 6, 6 << 16 | 6, 0x0403_0201, 0x0605];
    assert_eq!(controller.0.borrow().transmitted, expected);
}

#[test]
fn no_frame_is_sent_longer_than_the_limit_or_empty() {
    let controller = Controller::default();
    let mut chip = Lan9118::start(&controller).unwrap();
    chip.send(&empty(), 0);
    assert!(controller.0.borrow().transmitted.is_empty());
    chip.send(&empty(), usize::MAX);
    let transmitted = &controller.0.borrow().transmitted;
    assert_eq!(transmitted[0] & 0x7ff, 1514);
    assert_eq!(transmitted.len(), 2 + 1514_usize.div_ceil(4));
}

#[test]
fn statuses_of_sent_frames_do_not_pile_up() {
    let controller = Controller::default();
    let mut chip = Lan9118::start(&controller).unwrap();
    controller.0.borrow_mut().transmit_statuses = 255;
    chip.send(&empty(), 60);
    assert_eq!(controller.0.borrow().transmit_statuses, 0);
    assert!(chip.has_room());
}

#[test]
fn the_link_is_what_the_last_event_said() {
    let controller = Controller::default();
    let mut chip = Lan9118::start(&controller).unwrap();
    assert!(!chip.link_up());
    controller.0.borrow_mut().link = true;
    chip.take_events();
    assert!(!chip.link_up());
    controller.0.borrow_mut().events = registers::PHY_EVENT;
    chip.take_events();
    assert!(chip.link_up());
}

#[test]
fn the_station_address_is_the_controllers() {
    let controller = Controller::default();
    let chip = Lan9118::start(&controller).unwrap();
    assert_eq!(chip.mac_address(), STATION);
    assert_eq!(chip.free_running(), 0);
}

#[test]
fn frames_interrupt_only_when_armed() {
    let controller = Controller::default();
    let chip = Lan9118::start(&controller).unwrap();
    assert_eq!(controller.0.borrow().enabled, 0);
    chip.arm();
    let armed = controller.0.borrow().enabled;
    assert_eq!(armed & registers::FRAME_ARRIVED, registers::FRAME_ARRIVED);
}

/// Answers every read with the same word.
struct Constant(u32);

impl Bus for Constant {
    fn read(&self, _: Register) -> u32 {
        self.0
    }

    fn write(&self, _: Register, _: u32) {}
}

#[test]
fn a_controller_that_is_not_there_is_told_from_one_that_is() {
    for word in [0, u32::MAX] {
        assert_eq!(Lan9118::start(Constant(word)).err(), Some(Error::Absent));
    }
}

#[test]
fn a_controller_that_stays_busy_is_not_waited_for() {
    // The test register's word has the flags of `ready`, `busy` and `reset` all set.
    let outcome = Lan9118::start(Constant(0x8765_4321)).err();
    assert_eq!(outcome, Some(Error::Stuck));
}
