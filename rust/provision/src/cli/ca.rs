//! `iothub-provision ca …`

use std::path::PathBuf;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::output::Report;
use crate::cli::passphrase::{NewPassphrase, SignerPassphrase, opened};
use crate::cli::{Common, Making, table};
use crate::error::{Error, Kind};
use crate::files;
use crate::pki::{
    Authority, AuthorityName, AuthorityOptions, Certificate, DAYS, INTERMEDIATE, Pki, ROOT,
    Subject, Validity, read_certificates, read_request,
};
use crate::secret::Secret;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a root and an intermediate; with --name one CA of your choice
    #[command(after_help = CREATE_HELP)]
    Create(Create),
    /// Make a CA's key here and a signing request for someone upstream
    Csr(Csr),
    /// Make a CA out of a signing request from downstream
    #[command(after_help = SIGN_HELP)]
    SignCa(SignCa),
    /// Take the certificates that came back from upstream, or that were bought
    ImportChain(ImportChain),
    /// Sign a verification code, to prove that you hold a CA's key
    Prove(Prove),
    /// List the CAs, how long they are valid and how much they have issued
    List,
    /// Issue a CA's certificate anew, for the same key
    Renew(Renew),
    /// Copy what may be shared: certificates and chains, never keys
    Export(Export),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Make only this CA: a root, or an intermediate with --parent
    #[arg(long)]
    name: Option<AuthorityName>,
    /// The CA that signs it
    #[arg(long, requires = "name")]
    parent: Option<AuthorityName>,
    /// The common name of the CA
    #[arg(long, requires = "name", value_name = "CN")]
    common_name: Option<String>,
    /// How many further CAs may stand below it
    #[arg(long, requires = "parent", value_name = "N")]
    path_length: Option<u8>,
    #[command(flatten)]
    making: Making,
    #[command(flatten)]
    passphrase: NewPassphrase,
    #[command(flatten)]
    signer: SignerPassphrase,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Csr {
    /// The folder and file name of the CA
    #[arg(long)]
    name: AuthorityName,
    /// The common name of the CA
    #[arg(long, value_name = "CN")]
    common_name: String,
    #[command(flatten)]
    making: Making,
    #[command(flatten)]
    passphrase: NewPassphrase,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SignCa {
    /// The CA that signs
    #[arg(long)]
    issuer: AuthorityName,
    /// The signing request
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// How many further CAs may stand below it: 0 if it signs devices only
    #[arg(long, value_name = "N")]
    path_length: u8,
    /// The common name of the CA, if not the one that the request asks for
    #[arg(long, value_name = "CN")]
    common_name: Option<String>,
    /// How many days it is valid
    #[arg(long, default_value_t = DAYS)]
    days: u32,
    /// Where the certificate goes, followed by the chain up to the root
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    signer: SignerPassphrase,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportChain {
    /// The folder and file name of the CA
    #[arg(long)]
    name: AuthorityName,
    /// PEM: the CA's own certificate first, then each issuer
    file: PathBuf,
    #[command(flatten)]
    signer: SignerPassphrase,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Prove {
    /// The CA whose key is proved
    #[arg(long, default_value = INTERMEDIATE)]
    name: AuthorityName,
    /// The verification code that the hub has given
    code: String,
    #[command(flatten)]
    signer: SignerPassphrase,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Renew {
    /// The CA
    name: AuthorityName,
    /// How many days it is valid from now
    #[arg(long, default_value_t = DAYS)]
    days: u32,
    #[command(flatten)]
    own: NewPassphrase,
    #[command(flatten)]
    signer: SignerPassphrase,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Only this CA
    #[arg(long)]
    name: Option<AuthorityName>,
    /// The folder that the copies go to
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(crate) fn run(common: &Common, command: Command, now: OffsetDateTime) -> Result<Report, Error> {
    let pki = common.pki();
    match command {
        Command::Create(arguments) => create(&pki, &arguments, now),
        Command::Csr(arguments) => csr(&pki, &arguments, now),
        Command::SignCa(arguments) => sign_ca(&pki, &arguments, now),
        Command::ImportChain(arguments) => import_chain(&pki, &arguments),
        Command::Prove(arguments) => prove(&pki, &arguments, now),
        Command::List => list(&pki, now),
        Command::Renew(arguments) => renew(&pki, &arguments, now),
        Command::Export(arguments) => export(&pki, &arguments),
    }
}

fn create(pki: &Pki, arguments: &Create, now: OffsetDateTime) -> Result<Report, Error> {
    let passphrase = arguments.passphrase.obtain()?;
    let options = |name: &AuthorityName, common_name: &str| {
        options(
            &arguments.making,
            passphrase.clone(),
            (name, common_name),
            now,
        )
    };
    let mut made = Vec::new();
    match (&arguments.name, &arguments.parent) {
        (None, _) => {
            let root = options(&AuthorityName::new(ROOT)?, "Development Root CA")?;
            let root = pki.create_root(&root)?;
            let intermediate = AuthorityName::new(INTERMEDIATE)?;
            let intermediate = options(&intermediate, "Development Intermediate CA")?;
            let intermediate = pki.create_intermediate(&root.0, &intermediate)?;
            made.extend([root, intermediate]);
        }
        (Some(name), None) => {
            let common_name = arguments.common_name.as_deref().unwrap_or(name);
            made.push(pki.create_root(&options(name, common_name)?)?);
        }
        (Some(name), Some(parent)) => {
            let parent = arguments.signer.open(pki, parent)?;
            let common_name = arguments.common_name.as_deref().unwrap_or(name);
            let mut options = options(name, common_name)?;
            options.path_length = arguments.path_length;
            made.push(pki.create_intermediate(&parent, &options)?);
        }
    }
    let mut report = Report::new();
    for (authority, is_new) in &made {
        let path = pki.authority_file(authority.name(), "pem");
        let text = format!("{}  {}", path.display(), describe(authority.certificate()));
        if *is_new {
            report.done(text)
        } else {
            report.same(text)
        };
    }
    let found: Vec<Value> = made
        .iter()
        .map(|(made, is_new)| authority_json(pki, made, *is_new))
        .collect();
    report.field("authorities", found);
    Ok(report)
}

fn csr(pki: &Pki, arguments: &Csr, now: OffsetDateTime) -> Result<Report, Error> {
    let names = (&arguments.name, arguments.common_name.as_str());
    let options = options(
        &arguments.making,
        arguments.passphrase.obtain()?,
        names,
        now,
    )?;
    pki.request_authority(&options)?;
    let path = pki.authority_file(&arguments.name, "csr");
    let mut report = Report::new();
    report
        .done(format!("{}  give it to whoever signs; the key stays here", path.display()))
        .plain(format!(
            "Upstream:   iothub-provision ca sign-ca --issuer CA --csr {}.csr --path-length 1 --out {0}.pem   (1 signs one more CA, 0 devices only)",
            arguments.name
        ))
        .plain(format!(
            "Back here:  iothub-provision ca import-chain --name {} {0}.pem",
            arguments.name
        ))
        .field("csr", path.display().to_string());
    Ok(report)
}

fn sign_ca(pki: &Pki, arguments: &SignCa, now: OffsetDateTime) -> Result<Report, Error> {
    files::has_place(&arguments.out)?;
    files::spares_keys(&arguments.out)?;
    let request = read_request(&arguments.csr)?;
    let name = match &arguments.common_name {
        Some(name) => Subject::common_name(name)?,
        None => request.usable_subject()?,
    };
    let signer = arguments.signer.open(pki, &arguments.issuer)?;
    let validity = Validity::days(now, arguments.days)?;
    let issued = pki.sign_authority(&signer, &request, &name, arguments.path_length, validity)?;
    let mut bundle = issued.pem();
    bundle.extend(full_chain(pki, &signer)?.iter().map(Certificate::pem));
    files::write_public(&arguments.out, &bundle)?;
    let mut report = Report::new();
    report
        .done(format!(
            "{}  {}",
            arguments.out.display(),
            describe(&issued)
        ))
        .field("certificate", arguments.out.display().to_string())
        .field("serial", issued.serial());
    Ok(report)
}

fn import_chain(pki: &Pki, arguments: &ImportChain) -> Result<Report, Error> {
    let certificates = read_certificates(&arguments.file)?;
    let own = opened(arguments.signer.obtain()?, &arguments.name, |passphrase| {
        pki.import_chain(&arguments.name, &certificates, passphrase)
    })?;
    let has_key = pki.authority_file(&arguments.name, "key").exists();
    let mut report = Report::new();
    report.done(format!(
        "{}  {}",
        pki.authority_file(&arguments.name, "pem").display(),
        describe(&own)
    ));
    if !has_key {
        report.warning("its key is not here: it can be uploaded and trusted, but not sign");
    }
    report
        .field("serial", own.serial())
        .field("hasKey", has_key);
    Ok(report)
}

fn prove(pki: &Pki, arguments: &Prove, now: OffsetDateTime) -> Result<Report, Error> {
    let authority = arguments.signer.open(pki, &arguments.name)?;
    pki.prove(&authority, &arguments.code, now)?;
    let path = pki.authority_folder(&arguments.name).join("proof.pem");
    let mut report = Report::new();
    report
        .done(format!(
            "{}  upload it as the verification certificate",
            path.display()
        ))
        .field("proof", path.display().to_string());
    Ok(report)
}

fn list(pki: &Pki, now: OffsetDateTime) -> Result<Report, Error> {
    let head = ["NAME", "SUBJECT", "KEY", "UNTIL", "DAYS", "ISSUED", "SIGNS"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut found = Vec::new();
    for name in pki.authorities()? {
        let certificate = pki.authority_certificate(&name)?;
        let issued = pki
            .index(&name)
            .entries()
            .map(|entries| entries.len())
            .unwrap_or(0);
        let has_key = pki.authority_file(&name, "key").exists();
        let days = (certificate.not_after() - now).whole_days();
        rows.push(vec![
            name.to_string(),
            certificate.subject().to_owned(),
            certificate.key_kind().to_owned(),
            certificate.not_after().date().to_string(),
            days.to_string(),
            issued.to_string(),
            if has_key { "yes" } else { "no key here" }.to_owned(),
        ]);
        let mut entry = certificate_json(&certificate);
        entry["name"] = json!(name.to_string());
        entry["issued"] = json!(issued);
        entry["hasKey"] = json!(has_key);
        entry["daysLeft"] = json!(days);
        found.push(entry);
    }
    let mut report = Report::new();
    report.plain(table(&rows)).field("authorities", found);
    Ok(report)
}

fn renew(pki: &Pki, arguments: &Renew, now: OffsetDateTime) -> Result<Report, Error> {
    let old = pki.authority_certificate(&arguments.name)?;
    let validity = Validity::days(now, arguments.days)?;
    let signer = if old.is_self_issued() {
        None
    } else {
        Some(signer_of(pki, &old, arguments)?)
    };
    let renewed = opened(arguments.own.obtain()?, &arguments.name, |passphrase| {
        pki.renew_authority(&arguments.name, signer.as_ref(), validity, passphrase)
    })?;
    let mut report = Report::new();
    report
        .done(format!("{}  {}", arguments.name, describe(&renewed)))
        .plain("What it has signed stays valid. Upload it to the hub, and devices that send the")
        .plain("chain need their chain written again.")
        .field("serial", renewed.serial())
        .field("notAfter", date(renewed.not_after()));
    Ok(report)
}

fn export(pki: &Pki, arguments: &Export) -> Result<Report, Error> {
    let names = match &arguments.name {
        Some(name) => vec![name.clone()],
        None => pki.authorities()?,
    };
    std::fs::create_dir_all(&arguments.to)
        .map_err(|error| Error::file(&arguments.to, "create the folder", &error))?;
    let mut report = Report::new();
    let mut written = Vec::new();
    for name in names {
        let certificate = pki.authority_certificate(&name)?;
        let chain: String = pki.chain(&name)?.iter().map(Certificate::pem).collect();
        let root = pki.root_above(&name)?;
        let copies = [
            (format!("{name}.pem"), certificate.pem()),
            (format!("{name}.chain.pem"), chain),
            (
                format!("{name}.root.pem"),
                root.map(|root| root.pem()).unwrap_or_default(),
            ),
        ];
        for (file, content) in copies
            .into_iter()
            .filter(|(_, content)| !content.is_empty())
        {
            let path = arguments.to.join(file);
            files::write_public(&path, &content)?;
            report.done(path.display().to_string());
            written.push(json!(path.display().to_string()));
        }
    }
    report.field("files", written);
    Ok(report)
}

fn options(
    making: &Making,
    passphrase: Option<Secret>,
    (name, common_name): (&AuthorityName, &str),
    now: OffsetDateTime,
) -> Result<AuthorityOptions, Error> {
    Ok(AuthorityOptions {
        name: name.clone(),
        subject: making.subject(common_name)?,
        algorithm: making.algorithm,
        validity: Validity::days(now, making.days)?,
        path_length: None,
        passphrase,
    })
}

/// The CA in this folder that has signed a certificate.
fn signer_of(pki: &Pki, old: &Certificate, arguments: &Renew) -> Result<Authority, Error> {
    let mut signers = Vec::new();
    for name in pki.authorities()? {
        if name != arguments.name && pki.authority_certificate(&name)?.has_signed(old) {
            signers.push(name);
        }
    }
    // The same CA may have come once more, with a chain and without its key.
    let with_key = signers.iter().find(|name| pki.has_key(name));
    if let Some(name) = with_key.or(signers.first()) {
        return arguments.signer.open(pki, name);
    }
    Err(Error::new(
        Kind::Trust,
        format!("{} was signed by someone who is not here", arguments.name),
    )
    .advise("send its signing request upstream again, then use ca import-chain"))
}

/// A CA and everything above it, the root too where it is known here.
fn full_chain(pki: &Pki, signer: &Authority) -> Result<Vec<Certificate>, Error> {
    let mut chain = signer.chain().to_vec();
    if chain.is_empty() {
        chain.push(signer.certificate().clone());
        return Ok(chain);
    }
    let roots = pki.roots()?;
    let root = roots.into_iter().find(|root| {
        root.is_self_issued() && chain.last().is_some_and(|last| root.has_signed(last))
    });
    chain.extend(root);
    Ok(chain)
}

/// One line about a certificate.
pub(crate) fn describe(certificate: &Certificate) -> String {
    format!(
        "{}, {}, until {}",
        certificate.subject(),
        certificate.key_kind(),
        certificate.not_after().date()
    )
}

/// As RFC 3339 has it, which every other tool reads.
fn date(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

pub(crate) fn certificate_json(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject(),
        "issuer": certificate.issuer(),
        "serial": certificate.serial(),
        "key": certificate.key_kind(),
        "notBefore": date(certificate.not_before()),
        "notAfter": date(certificate.not_after()),
        "thumbprint": certificate.thumbprint(),
    })
}

fn authority_json(pki: &Pki, authority: &Authority, is_new: bool) -> Value {
    let mut entry = certificate_json(authority.certificate());
    entry["name"] = json!(authority.name().to_string());
    entry["certificate"] = json!(
        pki.authority_file(authority.name(), "pem")
            .display()
            .to_string()
    );
    entry["created"] = json!(is_new);
    entry
}

const CREATE_HELP: &str = "\
Examples:
  iothub-provision ca create
  iothub-provision ca create --algorithm rsa2048 --subject-prefix /C=NO/O=Company --unit Test
  iothub-provision ca create --name line2 --parent subca --path-length 0 --ask-passphrase

Calling it again changes nothing and makes what is missing.";

const SIGN_HELP: &str = "\
This is the only command that makes a CA out of a request, and what it may do follows from
--path-length, not from the request. The supply chain, for three companies:
  factory   iothub-provision ca csr --name factory --common-name 'Factory-Y'
  company   iothub-provision ca sign-ca --issuer rootca --csr factory.csr --path-length 1 --out factory.pem
  factory   iothub-provision ca import-chain --name factory factory.pem";
