//! The role `hub`: the emulator as a process of its own.

use std::{net::Ipv4Addr, process::ExitCode};

use iothub_emulator::{AmqpPort, Emulator, Identity, LogFormat, Options};

use crate::{Error, HOSTNAME, arguments::HubArguments, setup::Setup, stop};

/// What the process prints once it can be reached: the marker, MQTT's address, [`PAGE`], HTTP's
/// address.
pub(crate) const READY: &str = "ready: MQTT over TLS on ";

/// What stands between the two addresses.
pub(crate) const PAGE: &str = ", web page and REST on http://";

pub(crate) fn run(arguments: &HubArguments) -> Result<ExitCode, Error> {
    crate::device::end_with_parent();
    tokio::runtime::Runtime::new()
        .map_err(|source| Error::io("the runtime cannot be started", source))?
        .block_on(serve(arguments))
}

async fn serve(arguments: &HubArguments) -> Result<ExitCode, Error> {
    let (tell, asked) = tokio::sync::oneshot::channel();
    stop::catch(move || _ = tell.send(()))?;
    let setup = Setup::open(&arguments.data)?;
    let data = setup.hub_data();
    let server = setup.server()?;

    let mut options = Options::new(HOSTNAME);
    options.mqtt = (Ipv4Addr::LOCALHOST, arguments.mqtt).into();
    options.http = (Ipv4Addr::LOCALHOST, arguments.http).into();
    options.amqp = Some(AmqpPort::Default);
    options.data_dir = Some(data);
    options.firmware = Some(setup.images());
    options.firmware_http = (Ipv4Addr::LOCALHOST, 0).into();
    options.firmware_https = (Ipv4Addr::LOCALHOST, 0).into();
    let key = server
        .key_pem()
        .map_err(|error| Error::certificates(setup.data(), &error))?;
    options.identity = Identity::Pem {
        chain: server.chain_pem(),
        key: key.expose().to_owned(),
    };
    options.server_ca = Some(setup.root_pem()?);
    options.log = LogFormat::Text;

    let emulator = Emulator::start(options).await.map_err(Error::new)?;
    println!(
        "{READY}{}{PAGE}{}",
        emulator.mqtt_addr(),
        emulator.http_addr()
    );
    let _ = asked.await;
    emulator.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
