//! `kill -9` at random moments of real runs.

use std::fs;
use std::time::{Duration, Instant};

use bregman::checkpoint::Run;
use bregman::rng::{Purpose, Stream};

use super::resume::{command, folder, metrics, stderr};

/// Epochs of a fraction of a second, most of which goes into a checkpoint of 10 MB: the optimizer's
/// moments, its number of steps, the schedule's time and the best networks are part of the run.
const RUN: &str = "--dataset digits --limit-train 64 --limit-test 10 --device cpu --width 256 \
                   --realizations 2 --optimizer adamw --lr 0.003 --schedule cosine --warm-up 1.5 \
                   --augment flip,shift:3,rotate:11,noise:0.05 \
                   --clip-norm 0.5 --validation 0.25 --keep best --epochs 16 --checkpoint-every 1";

/// Kills at random moments, resumes, kills again, until a run ends; then another, until there were
/// BREGMAN_KILLS kills (3 if it is not set). After each, the checkpoint is the last one seen or a
/// later one, never none; at the end, everything is as in a run that was not killed.
#[test]
fn killed_at_any_moment_the_old_state_or_the_new_is_there() {
    let wanted: u32 = std::env::var("BREGMAN_KILLS").map_or(3, |n| n.parse().expect("a number"));
    let whole = folder();
    let at = |folder: &std::path::Path| format!("--out-dir {0} --save {0}/x", folder.display());
    let started = Instant::now();
    let output = command(&format!("{RUN} {}", at(whole.path())))
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", stderr(&output));
    let longest = started.elapsed();
    let moments = Stream::new(7, Purpose::Digits, 0);
    let (mut kills, mut before_the_first, mut while_writing, mut runs) = (0, 0, 0, 0);
    while kills < wanted {
        let folder = folder();
        let path = folder.path().join("checkpoint.safetensors");
        let mut last_seen = None;
        loop {
            let resume = format!("{RUN} {} --resume last", at(folder.path()));
            let mut child = command(&resume)
                .stderr(std::process::Stdio::null())
                .stdout(std::process::Stdio::null())
                .spawn()
                .expect("it starts");
            let share = match kills < wanted {
                true => moments.uniform(u64::from(kills)),
                false => 10.0,
            };
            let moment = longest.mul_f32(share * 0.5);
            let started = Instant::now();
            let ended = loop {
                if let Some(status) = child.try_wait().expect("a child") {
                    break Some(status);
                }
                if started.elapsed() >= moment {
                    break None;
                }
                std::thread::sleep(Duration::from_micros(200));
            };
            if let Some(status) = ended {
                assert!(status.success(), "a resumed run ends well");
                break;
            }
            child.kill().expect("SIGKILL");
            child.wait().expect("it is dead");
            kills += 1;
            let scratch = fs::read_dir(folder.path())
                .expect("read folder")
                .flatten()
                .filter(|f| f.file_name().to_string_lossy().ends_with(".partial"));
            let scratch: Vec<_> = scratch.collect();
            while_writing += u32::from(!scratch.is_empty());
            for file in scratch {
                fs::remove_file(file.path()).expect("remove");
            }
            match path.exists() {
                // Whatever was there before is there still.
                false => {
                    assert_eq!(last_seen, None, "a checkpoint was lost");
                    before_the_first += 1;
                }
                true => {
                    let run = Run::load(&path).expect("a whole checkpoint");
                    let epoch = run.position.epochs.len();
                    assert!(last_seen.is_none_or(|last| epoch >= last), "it went back");
                    last_seen = Some(epoch);
                }
            }
        }
        runs += 1;
        assert_eq!(metrics(folder.path()), metrics(whole.path()));
        for r in 0..2 {
            let saved =
                |folder: &std::path::Path| fs::read(folder.join(format!("x-{r}"))).expect("saved");
            assert!(saved(folder.path()) == saved(whole.path()), "parameters");
        }
    }
    #[expect(clippy::print_stderr, reason = "the count is what the test is run for")]
    {
        eprintln!(
            "{kills} kills in {runs} runs: {before_the_first} before the first checkpoint, \
             {while_writing} while a file was written; every run ended as the one that was not killed"
        );
    }
}
