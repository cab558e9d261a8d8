//! `iothub-provision completion` and `iothub-provision man`

use std::path::PathBuf;

use clap_complete::{Shell, generate};
use clap_mangen::Man as Page;

use crate::cli::definition;
use crate::cli::output::Report;
use crate::error::Error;
use crate::files;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  iothub-provision completion bash > \
~/.local/share/bash-completion/completions/iothub-provision")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  iothub-provision man --to ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder that the pages go to, one a command
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(crate) fn completion(arguments: &Completion) -> Report {
    let mut text = Vec::new();
    generate(
        arguments.shell,
        &mut definition(),
        "iothub-provision",
        &mut text,
    );
    let text = String::from_utf8_lossy(&text).trim_end().to_owned();
    let mut report = Report::new();
    report.plain(text.clone()).field("completion", text);
    report
}

pub(crate) fn man(arguments: &Man) -> Result<Report, Error> {
    std::fs::create_dir_all(&arguments.to)
        .map_err(|error| Error::file(&arguments.to, "create the folder", &error))?;
    let mut whole = definition().disable_help_subcommand(true);
    whole.build();
    let mut pages = Vec::new();
    write(&whole, "iothub-provision", arguments, &mut pages)?;
    let mut report = Report::new();
    report.done(format!("{}  {} pages", arguments.to.display(), pages.len()));
    report.field("pages", pages);
    Ok(report)
}

fn write(
    command: &clap::Command,
    name: &str,
    arguments: &Man,
    pages: &mut Vec<String>,
) -> Result<(), Error> {
    let path = arguments.to.join(format!("{name}.1"));
    let mut page = Vec::new();
    Page::new(command.clone())
        .title(name)
        .render(&mut page)
        .map_err(|error| Error::file(&path, "render", &error))?;
    files::write_public(&path, &String::from_utf8_lossy(&page))?;
    pages.push(path.display().to_string());
    command.get_subcommands().try_for_each(|below| {
        write(
            below,
            &format!("{name}-{}", below.get_name()),
            arguments,
            pages,
        )
    })
}
