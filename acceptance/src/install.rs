//! Owns the peers' packages: installed by pip and npm, once for each content of the lock files.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The command that starts a peer's program: interpreter and folder of the programs.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    interpreter: PathBuf,
    programs: PathBuf,
}

impl Peer {
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.arg(self.programs.join(name));
        command
    }
}

/// A peer, or why this machine cannot have it and what to install.
pub(crate) type Installed = std::result::Result<Peer, String>;

/// Sources of the peers, as checked in.
fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where packages and logs are kept: `acceptance` beside the profiles' folders of the target directory.
pub(crate) fn cache() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("the program is in no target directory")?;
    Ok(target.join("acceptance"))
}

/// Python with what `requirements.txt` says, in a virtual environment.
///
/// # Errors
///
/// If the registry does not give the packages.
pub(crate) fn python() -> Result<Installed> {
    let Some(version) = version("python3") else {
        return Ok(Err("python3 is missing (Debian: apt-get install python3-venv)".into()));
    };
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        return Ok(Err("python3 cannot make virtual environments (Debian: apt-get install python3-venv)".into()));
    }
    let requirements = sources().join("python/requirements.txt");
    let folder = folder("python", &version, &requirements)?;
    let interpreter = folder.join("bin/python");
    once(&folder, || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&interpreter).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))
    })?;
    Ok(Ok(Peer { interpreter, programs: sources().join("python") }))
}

/// Node with what `package-lock.json` says. Its programs are copied to where its packages are: modules are looked for from there.
///
/// # Errors
///
/// If the registry does not give the packages.
pub(crate) fn node() -> Result<Installed> {
    let Some(version) = version("node") else {
        return Ok(Err("node is missing (Debian: apt-get install nodejs npm)".into()));
    };
    if self::version("npm").is_none() {
        return Ok(Err("npm is missing (Debian: apt-get install npm)".into()));
    }
    let from = sources().join("node");
    let folder = folder("node", &version, &from.join("package-lock.json"))?;
    once(&folder, || {
        copy(&from, &folder, "json")?;
        let options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run(Command::new("npm").args(options).current_dir(&folder))
    })?;
    copy(&from, &folder, "mjs")?;
    Ok(Ok(Peer { interpreter: "node".into(), programs: folder }))
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A folder for this interpreter and this lock file.
fn folder(name: &str, version: &str, lock: &Path) -> Result<PathBuf> {
    let mut key = DefaultHasher::new();
    (version, fs::read(lock).with_context(|| lock.display().to_string())?).hash(&mut key);
    Ok(cache()?.join(format!("{name}-{:016x}", key.finish())))
}

/// Fills a folder unless that was done before; what was interrupted is begun anew.
fn once(folder: &Path, fill: impl FnOnce() -> Result<()>) -> Result<()> {
    let done = folder.join("installed");
    if done.exists() {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fill()?;
    fs::write(done, "")?;
    Ok(())
}

fn copy(from: &Path, to: &Path, extension: &str) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(extension)) {
            fs::copy(&path, to.join(path.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
