//! Lists the adapters of this machine.

use std::process::ExitCode;

use minibatch::Gpu;
use minibatch::gpu::{AdapterInfo, DeviceType, adapters};
use serde::Serialize;

use crate::{args, backend, print};

#[derive(Serialize)]
struct Row {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    backend: String,
    driver: String,
    /// Whether `--backend auto` takes it.
    auto: bool,
}

/// Prints a table or JSON, best first.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn run(args: &args::Adapters) -> anyhow::Result<ExitCode> {
    let infos = minibatch::gpu::block_on(adapters());
    let automatic = infos.iter().position(backend::is_automatic);
    let rows: Vec<Row> =
        infos.iter().enumerate().map(|(i, info)| row(info, automatic == Some(i))).collect();
    if args.json {
        print::json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        if let Err(error) = Gpu::new() {
            print::line(&error.to_string())?;
        }
    } else {
        table(&rows)?;
    }
    match automatic.and_then(|i| rows.get(i)) {
        Some(row) => print::line(&format!("--backend auto takes {}", row.name))?,
        None => print::line("--backend auto takes the CPU: there is no GPU")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn row(info: &AdapterInfo, auto: bool) -> Row {
    let kind = match info.device_type {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    };
    let driver = format!("{} {}", info.driver, info.driver_info);
    Row {
        name: info.name.clone(),
        kind,
        backend: info.backend.to_string(),
        driver: driver.trim().into(),
        auto,
    }
}

fn table(rows: &[Row]) -> anyhow::Result<()> {
    let cells =
        |row: &Row| [row.name.clone(), row.kind.into(), row.backend.clone(), row.driver.clone()];
    let lines: Vec<[String; 4]> =
        std::iter::once(["name", "type", "backend", "driver"].map(String::from))
            .chain(rows.iter().map(cells))
            .collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: [usize; 3] = [0, 1, 2].map(|column| width(column).unwrap_or(0));
    for [name, kind, backend, driver] in &lines {
        let [a, b, c] = widths;
        print::line(&format!("{name:a$}  {kind:b$}  {backend:c$}  {driver}"))?;
    }
    Ok(())
}
