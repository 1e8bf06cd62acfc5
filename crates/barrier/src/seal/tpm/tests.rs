//! Against a real TPM in software, looked at with tpm2-tools; and against one that lies.

#[expect(unreachable_pub, reason = "tests of other rooms have it, too")]
mod swtpm;

use super::*;
use crate::seal::close;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use swtpm::Swtpm;

fn pcrs(text: &str) -> Pcrs {
    Pcrs::parse(text).unwrap()
}

fn seal(tpm: &Swtpm, registers: &str) -> TpmSeal {
    TpmSeal::at(tpm.socket(), pcrs(registers))
}

async fn opens(seal: &TpmSeal, blob: &[u8], root: &RootKey) {
    let opened = seal.unwrap(blob).await;
    let opened = opened.unwrap_or_else(|error| panic!("{error}"));
    assert!(opened.bytes().expose() == root.bytes().expose());
}

async fn why(seal: &TpmSeal, blob: &[u8]) -> String {
    match seal.unwrap(blob).await {
        Ok(_) => panic!("it opens"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn it_opens_after_a_restart_and_nothing_is_left_in_it() {
    let mut tpm = Swtpm::start();
    let root = RootKey::generate().unwrap();
    for registers in ["", "7", "0,1,2,3,4,5,6,7,8,9,14"] {
        let ours = seal(&tpm, registers);
        let blob = close(&ours, &root).await.unwrap();
        tpm.power();
        opens(&ours, &blob, &root).await;
        // What is stored says what it is bound to, and not who opens it.
        opens(&seal(&tpm, "3"), &blob, &root).await;
        assert_eq!(tpm.left(), "", "{registers}");
    }
}

#[tokio::test]
async fn another_register_another_tpm_and_a_cleared_one_open_nothing() {
    let mut tpm = Swtpm::start();
    let root = RootKey::generate().unwrap();
    let bound = seal(&tpm, "7,11");
    let blob = close(&bound, &root).await.unwrap();
    let free = close(&seal(&tpm, ""), &root).await.unwrap();
    tpm.extend(12);
    opens(&bound, &blob, &root).await;
    tpm.extend(11);
    let said = why(&bound, &blob).await;
    assert!(
        said.contains("registers 7,11 are not what they were"),
        "{said}"
    );
    opens(&seal(&tpm, ""), &free, &root).await;
    assert_eq!(tpm.left(), "");
    tpm.power();
    opens(&bound, &blob, &root).await;
    let other = Swtpm::start();
    let said = why(&seal(&other, ""), &free).await;
    assert!(said.contains("not the one that closed the store"), "{said}");
    assert_eq!(other.left(), "");
    tpm.tool("tpm2_clear -c p");
    let said = why(&seal(&tpm, ""), &free).await;
    assert!(said.contains("or it was cleared since"), "{said}");
}

/// The judge is the library of the TCG: it makes the same storage key, loads what we made, and is
/// refused where we are.
#[tokio::test]
async fn the_tools_of_others_know_the_storage_key_and_are_held_to_the_policy() {
    let tpm = Swtpm::start();
    let root = RootKey::generate().unwrap();
    let blob = close(&seal(&tpm, "7"), &root).await.unwrap();
    let parsed = Blob::parse(&blob).unwrap();
    // These programs leave loaded what they load, and there is room for three.
    let run = |line: &str| {
        let output = tpm.run(line);
        tpm.tool("tpm2_flushcontext -t");
        output
    };
    let tool = |line: &str| {
        let output = run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // Two numbers as they lie in that program's memory: a length and 128 bytes.
    let unique = [[32, 0].as_slice(), &[0; 128], &[32, 0], &[0; 128]].concat();
    std::fs::write(tpm.directory().join("unique"), unique).unwrap();
    tool(
        "tpm2_createprimary -C o -g sha256 -G ecc256:null:aes128cfb -u unique -c primary \
         -a fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt",
    );
    tool("tpm2_readpublic -c primary -n name");
    let name = std::fs::read(tpm.directory().join("name")).unwrap();
    assert_eq!(name, parsed.name);
    let file = |name: &str, bytes: &[u8]| {
        let mut out = Vec::new();
        sized(&mut out, bytes);
        std::fs::write(tpm.directory().join(name), out).unwrap();
    };
    file("private", &parsed.sealed.private);
    file("public", &parsed.sealed.public);
    tool("tpm2_load -C primary -r private -u public -c object");
    let shown = tool("tpm2_readpublic -c object");
    assert!(shown.contains("fixedtpm|fixedparent|noda\n"), "{shown}");
    // Without the policy: refused, and so it is with the policy of other registers.
    assert!(!run("tpm2_unseal -c object").status.success());
    assert!(
        !run("tpm2_unseal -c object -p pcr:sha256:8")
            .status
            .success()
    );
    let key = run("tpm2_unseal -c object -p pcr:sha256:7");
    assert_eq!(key.stdout.len(), 32, "a control: the right policy opens");
    tpm.extend(7);
    assert!(
        !run("tpm2_unseal -c object -p pcr:sha256:7")
            .status
            .success()
    );
    assert!(seal(&tpm, "").unwrap(&blob).await.is_err());
}

#[tokio::test]
async fn registers_without_a_bank_are_refused_and_not_left_out() {
    let mut tpm = Swtpm::start();
    tpm.tool("tpm2_pcrallocate sha1:all+sha256:none+sha384:all+sha512:none");
    tpm.power();
    let root = RootKey::generate().unwrap();
    let Err(error) = seal(&tpm, "0,7").wrap(&root).await else {
        panic!("bound to nothing");
    };
    let said = error.to_string();
    assert!(said.contains("no SHA-256 of the registers 0,7"), "{said}");
    assert!(close(&seal(&tpm, ""), &root).await.is_ok());
}

#[tokio::test]
async fn what_killed_processes_left_in_it_is_cleared_up() {
    let tpm = Swtpm::start();
    let root = RootKey::generate().unwrap();
    let ours = seal(&tpm, "7");
    let blob = close(&ours, &root).await.unwrap();
    for _ in 0..5 {
        let (mut talk, primary) = ours.begin().unwrap();
        let _session = talk.session(&primary, For::Policy).unwrap();
        // As a process that is killed.
        talk.abandon();
        opens(&ours, &blob, &root).await;
    }
    assert_ne!(tpm.left(), "", "a control: something was left");
}

#[tokio::test]
async fn refusals_say_what_to_do_next() {
    let mut tpm = Swtpm::start();
    let root = RootKey::generate().unwrap();
    let wrap = async |seal: &TpmSeal| match seal.wrap(&root).await {
        Ok(_) => panic!("it closes"),
        Err(error) => error.to_string(),
    };
    tpm.tool("tpm2_changeauth -c owner secret");
    let said = wrap(&seal(&tpm, "")).await;
    assert!(said.contains("tpm2_changeauth -c owner -p"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    tpm.tool("tpm2_hierarchycontrol -C p shEnable clear");
    let said = wrap(&seal(&tpm, "")).await;
    assert!(said.contains("owner hierarchy is switched off"), "{said}");
    tpm.power();
    let nowhere = TpmSeal::at(tpm.directory().join("none"), pcrs(""));
    let said = wrap(&nowhere).await;
    assert!(said.contains("ls /dev/tpm*"), "{said}");
    let file = TpmSeal::at("/etc/passwd".into(), pcrs(""));
    let said = wrap(&file).await;
    assert!(said.contains("neither a device nor a socket"), "{said}");
}

/// Sits between us and the TPM, reads along, and changes answers.
struct Between {
    inner: Local,
    answers: Arc<AtomicUsize>,
    /// Which answer, and what is done to it.
    change: Change,
    heard: Arc<Mutex<Vec<u8>>>,
}

type Change = Arc<dyn Fn(usize, &mut Vec<u8>) + Send + Sync>;

struct Line {
    inner: Box<dyn Transport>,
    answers: Arc<AtomicUsize>,
    change: Change,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Door for Between {
    fn open(&self) -> io::Result<Box<dyn Transport>> {
        Ok(Box::new(Line {
            inner: self.inner.open()?,
            answers: Arc::clone(&self.answers),
            change: Arc::clone(&self.change),
            heard: Arc::clone(&self.heard),
        }))
    }

    fn name(&self) -> String {
        "between".to_owned()
    }
}

impl Transport for Line {
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        let mut answer = self.inner.exchange(command)?;
        let number = self.answers.fetch_add(1, Ordering::SeqCst);
        let mut heard = self.heard.lock().unwrap();
        heard.extend_from_slice(command);
        heard.extend_from_slice(&answer);
        (self.change)(number, &mut answer);
        Ok(answer)
    }
}

fn between(tpm: &Swtpm, registers: &str, change: Change) -> (TpmSeal, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let door = Between {
        inner: Local(tpm.socket()),
        answers: Arc::default(),
        change,
        heard: Arc::clone(&heard),
    };
    (TpmSeal::over(Arc::new(door), pcrs(registers)), heard)
}

fn contains(heard: &Mutex<Vec<u8>>, key: &[u8]) -> bool {
    let heard = heard.lock().unwrap();
    heard.windows(key.len()).any(|window| window == key)
}

#[tokio::test]
async fn who_reads_along_does_not_read_the_key() {
    let tpm = Swtpm::start();
    for registers in ["", "7"] {
        let (seal, heard) = between(&tpm, registers, Arc::new(|_, _| {}));
        let key = cofferdam_secret::random::<32>().unwrap();
        let (mut talk, primary) = seal.begin().unwrap();
        let sealed = seal.seal(&mut talk, &primary, &key).unwrap();
        let blob = Blob {
            name: &primary.name,
            pcrs: seal.pcrs,
            sealed,
            bound: &[],
            root: &[],
        };
        let opened = unseal(&mut talk, &primary, &blob).unwrap();
        assert!(opened.expose() == key.expose());
        assert!(!contains(&heard, key.expose()), "in neither direction");
        // A control: the same without encryption passes in the clear.
        if registers.is_empty() {
            let (handle, _) = talk.load(&primary, &blob.sealed).unwrap();
            talk.openly(code::Command::Unseal, handle, &[]).unwrap();
            assert!(contains(&heard, key.expose()));
        }
    }
}

#[tokio::test]
async fn no_changed_answer_opens_another_key() {
    let tpm = Swtpm::start();
    let root = RootKey::generate().unwrap();
    let blob = close(&seal(&tpm, "7"), &root).await.unwrap();
    let (quiet, _) = between(&tpm, "7", Arc::new(|_, _| {}));
    quiet.unwrap(&blob).await.unwrap();
    // Key, load, session, registers, unseal; then what is flushed.
    for number in 0..5 {
        let mut refused = 0;
        for at in (0..1000).step_by(if number == 4 { 1 } else { 7 }) {
            let change: Change = Arc::new(move |answer, bytes| {
                if let (true, Some(byte)) = (answer == number, bytes.get_mut(at)) {
                    *byte ^= 0x41;
                }
            });
            let (lying, _) = between(&tpm, "7", change);
            match lying.unwrap(&blob).await {
                Ok(opened) => assert!(opened.bytes().expose() == root.bytes().expose()),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 0, "{number}");
        // What was not flushed, since its handle was changed on the way.
        tpm.run("tpm2_flushcontext -t");
        tpm.run("tpm2_flushcontext -l");
    }
}

#[tokio::test]
async fn cut_and_invented_answers_are_refused_without_a_panic() {
    let tpm = Swtpm::start();
    let root = RootKey::generate().unwrap();
    let blob = close(&seal(&tpm, ""), &root).await.unwrap();
    for number in 0..4 {
        for keep in [0, 1, 9, 10, 11, 13, 14, 18, 40, 60] {
            let change: Change = Arc::new(move |answer, bytes| {
                if answer == number {
                    bytes.truncate(keep);
                    // With a length that is right.
                    let length = u32::try_from(bytes.len()).unwrap();
                    if let Some(size) = bytes.get_mut(2..6) {
                        size.copy_from_slice(&length.to_be_bytes());
                    }
                }
            });
            let (lying, _) = between(&tpm, "", change);
            // Of some answers only the beginning is needed.
            let needed = [(0, 60), (1, 13), (2, 40), (3, 60)];
            if let Ok(opened) = lying.unwrap(&blob).await {
                assert!(opened.bytes().expose() == root.bytes().expose());
                let short = needed.iter().any(|(n, k)| *n == number && keep <= *k);
                assert!(!short, "{number} {keep}");
            }
            tpm.run("tpm2_flushcontext -t");
            tpm.run("tpm2_flushcontext -l");
        }
    }
}

#[tokio::test]
async fn who_is_busy_is_asked_again() {
    let tpm = Swtpm::start();
    let root = RootKey::generate().unwrap();
    let busy = |number: usize, answer: &mut Vec<u8>| {
        if number == 0 {
            *answer = [&[0x80, 1, 0, 0, 0, 10], 0x922_u32.to_be_bytes().as_slice()].concat();
        }
    };
    let (seal, _) = between(&tpm, "", Arc::new(busy));
    assert!(close(&seal, &root).await.is_ok());
}

#[tokio::test]
async fn a_changed_blob_opens_nothing() {
    let tpm = Swtpm::start();
    let root = RootKey::generate().unwrap();
    let ours = seal(&tpm, "7");
    let blob = close(&ours, &root).await.unwrap();
    for at in 0..blob.len() {
        let mut changed = blob.clone();
        *changed.get_mut(at).unwrap() ^= 1;
        assert!(ours.unwrap(&changed).await.is_err(), "{at}");
    }
    for at in (0..blob.len()).step_by(5) {
        assert!(ours.unwrap(blob.get(..at).unwrap()).await.is_err(), "{at}");
    }
    opens(&ours, &blob, &root).await;
    assert_eq!(tpm.left(), "");
}

#[test]
fn lists_of_registers_are_read_and_written() {
    for (text, shown) in [("", ""), ("7", "7"), ("7, 0,23", "0,7,23"), ("0+7", "0,7")] {
        assert_eq!(pcrs(text).to_string(), shown);
        assert_eq!(Pcrs::from_bytes(pcrs(text).to_bytes()), pcrs(text));
    }
    for text in ["24", "-1", "a", "7,", ",", "sha256:7"] {
        assert_eq!(Pcrs::parse(text), None, "{text}");
    }
}

/// A character device that carries each write to the TPM, and each answer back: what the kernel's does.
const DEVICE_OF_A_SOCKET: &str = r#"
import os, pty, socket, sys, tty
ours, theirs = pty.openpty()
tty.setraw(ours)
tty.setraw(theirs)
os.symlink(os.ttyname(theirs), sys.argv[2])
while True:
    command = os.read(ours, 4096)
    tpm = socket.socket(socket.AF_UNIX)
    tpm.connect(sys.argv[1])
    tpm.sendall(command)
    os.write(ours, tpm.recv(4096))
    tpm.close()
"#;

#[tokio::test]
async fn a_device_is_talked_to_by_whole_commands() {
    let tpm = Swtpm::start();
    let device = tpm.directory().join("device");
    let mut process = std::process::Command::new("python3")
        .args(["-c", DEVICE_OF_A_SOCKET])
        .args([tpm.socket(), device.clone()])
        .spawn()
        .unwrap();
    while !device.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(process.try_wait().unwrap().is_none(), "no device");
    }
    let root = RootKey::generate().unwrap();
    let ours = TpmSeal::at(device, pcrs("7"));
    let blob = close(&ours, &root).await.unwrap();
    opens(&ours, &blob, &root).await;
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(tpm.left(), "");
    for no_tpm in ["/dev/null", "/dev/zero"] {
        let said = why(&TpmSeal::at(no_tpm.into(), pcrs("")), &blob).await;
        assert!(said.contains("no answer of a TPM"), "{said}");
    }
}

/// Answers what it was given, one after another.
struct Tape(Mutex<Vec<Vec<u8>>>);

impl Door for Tape {
    fn open(&self) -> io::Result<Box<dyn Transport>> {
        Ok(Box::new(Tape(Mutex::new(self.0.lock().unwrap().clone()))))
    }

    fn name(&self) -> String {
        "tape".to_owned()
    }
}

impl Transport for Tape {
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        let body = self.0.lock().unwrap().pop();
        let body = body.ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = u32::try_from(10 + body.len()).unwrap();
        let head = command.get(..2).unwrap();
        Ok([head, &length.to_be_bytes(), &[0; 4], &body].concat())
    }

    fn alone(&self) -> bool {
        true
    }
}

proptest::proptest! {
    #[test]
    fn no_invented_answers_open_or_close_anything(
        answers in proptest::collection::vec(proptest::collection::vec(0..4_u8, 0..200), 0..8),
        stored in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let root = RootKey::generate().unwrap();
        for registers in ["", "7"] {
            let seal = TpmSeal::over(Arc::new(Tape(Mutex::new(answers.clone()))), pcrs(registers));
            proptest::prop_assert!(runtime.block_on(seal.wrap(&root)).is_err());
            proptest::prop_assert!(runtime.block_on(seal.unwrap(&stored)).is_err());
        }
    }
}
