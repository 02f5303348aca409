//! `geo`: a variable whose value follows from an address.
//!
//! The address is the client's, or that of a variable; behind trusted proxies it is the one that
//! they forward for. What has no address, as a client of a Unix socket, counts as
//! 255.255.255.255.
//!
//! A block of ranges that are all included from one file is kept in a binary base beside that file,
//! in nginx's form, as nginx does with more than 100000 of them: it is read instead of the text the
//! next time.
//!
//! Source: nginx documentation, ngx_http_geo_module.

mod binary_base;
mod networks;
mod ranges;

use crate::forwarded;
use crate::map::variable_name;
use base::cidr::Cidr;
use base::range_table::RangeTable;
use conf::Included;
use engine::derived_file::DerivedFiles;
use engine::directive::{block, lossy};
use engine::{
    Arity, Contexts, Directive, Line, Loading, Refused, Slot, VariableId, inherit_fields,
};
use http::variable::{Caching, define};
use http::{Bytes, Module, Request};
use networks::Networks;
use ranges::{Added, Ranges};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

/// Nothing to keep: the directive defines a variable.
#[derive(Clone, Default)]
struct Settings {}

inherit_fields!(Settings {});

const DIRECTIVES: &[Directive<Settings>] = &[block(
    "geo",
    Contexts::HTTP,
    Arity::between(1, 2),
    |_, line| read(line),
)];

static SETTINGS: Slot<Settings> = Slot::main(DIRECTIVES);

/// Variables by address.
pub(crate) static MODULE: Module = Module {
    name: "geo",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

/// What one `geo` says.
#[derive(Default)]
struct Geo {
    table: Table,
    /// The value outside of all ranges.
    default: Option<Bytes>,
    proxies: Vec<Cidr>,
    is_recursive: bool,
}

/// Values by address, in one of the two forms.
enum Table {
    Networks(Networks),
    /// `ranges`
    Ranges(Arc<RangeTable>),
}

impl Default for Table {
    fn default() -> Self {
        Self::Networks(Networks::default())
    }
}

impl Geo {
    /// The value for `address`.
    fn find(&self, address: Option<IpAddr>) -> &[u8] {
        let nowhere = IpAddr::V4(Ipv4Addr::BROADCAST);
        let address = address.map_or(nowhere, |address| address.to_canonical());
        let found = match (&self.table, address) {
            (Table::Networks(networks), address) => networks.find(address).map(|value| &**value),
            (Table::Ranges(ranges), IpAddr::V4(address)) => ranges.find(address.to_bits()),
            (Table::Ranges(ranges), IpAddr::V6(_)) => ranges.find(Ipv4Addr::BROADCAST.to_bits()),
        };
        found.or(self.default.as_deref()).unwrap_or(b"")
    }

    fn write(&self, source: Option<VariableId>, request: &Request, out: &mut Vec<u8>) {
        let address = match source {
            None => Some(request.remote_addr()),
            Some(id) => request
                .variable(id)
                .and_then(|text| forwarded::parse_ip(&text))
                .map(|ip| SocketAddr::new(ip, 0).into()),
        };
        let address = address
            .map(|address| forwarded::client(address, request, &self.proxies, self.is_recursive));
        out.extend_from_slice(self.find(address.and_then(|address| address.ip())));
    }
}

/// `geo [$address] $variable { ... }`
fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let mut names = (0..line.args().len()).map(|index| variable_name(line.arg(index)));
    let first = names.next().unwrap_or(Ok(b""))?;
    let (source, name) = match names.next() {
        None => (None, first),
        Some(second) => (Some(line.variable(first)), second?),
    };
    let directive = line.directive;
    let mut reader = Reader {
        geo: Geo::default(),
        caching: Caching::Once,
        has_networks: false,
        ranges: None,
        whole: None,
        values: HashSet::new(),
        loading: line.loading,
    };
    reader.add_all(directive.block.as_deref().unwrap_or_default())?;
    let (geo, caching) = reader.finish();
    let compute = move |request: &Request, out: &mut Vec<u8>| {
        geo.write(source, request, out);
        true
    };
    define(line.loading, name, caching, Rc::new(compute))?;
    Ok(())
}

/// A block while it is being read.
struct Reader<'a> {
    geo: Geo,
    caching: Caching,
    has_networks: bool,
    /// What is being read where the block has `ranges`.
    ranges: Option<Ranges>,
    /// The include that has all of them, if one has.
    whole: Option<&'a conf::Directive>,
    values: HashSet<Rc<[u8]>>,
    loading: &'a mut Loading,
}

impl<'a> Reader<'a> {
    /// Adds the lines of the block, and those of its includes.
    fn add_all(&mut self, lines: &'a [conf::Directive]) -> Result<(), Refused> {
        for line in lines {
            match line.included.as_deref() {
                // What could not be read has been told.
                None if line.is("include") && line.args.len() == 1 => {}
                None => self.add(line).map_err(|refused| refused.at(line.end))?,
                Some(Included::Base(table)) => self.geo.table = Table::Ranges(Arc::clone(table)),
                Some(included) => {
                    if let Included::Whole { .. } = included {
                        self.whole = Some(line);
                    }
                    self.add_all(line.block.as_deref().unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }

    /// What the block says; what is worth a base is left to be written.
    fn finish(self) -> (Geo, Caching) {
        let mut geo = self.geo;
        if let Some(ranges) = self.ranges.filter(|ranges| !ranges.is_empty()) {
            let table = ranges.into_table();
            let files = self.loading.shared::<DerivedFiles>();
            let file = self
                .whole
                .and_then(|include| binary_base::of(include, &table));
            files.all.extend(file);
            geo.table = Table::Ranges(Arc::new(table));
        }
        (geo, self.caching)
    }

    /// Adds one line of the block.
    fn add(&mut self, line: &conf::Directive) -> Result<(), Refused> {
        let first = line.name.text.as_slice();
        let value = match (first, line.args.as_slice()) {
            (b"ranges", []) => return self.use_ranges(),
            (b"proxy_recursive", []) => {
                self.geo.is_recursive = true;
                return Ok(());
            }
            (b"volatile", []) => {
                self.caching = Caching::Never;
                return Ok(());
            }
            (_, [value]) => value.text.as_slice(),
            _ => return Err(Refused::new("invalid number of the geo parameters")),
        };
        match first {
            b"proxy" => {
                let network = self.network(value, line)?;
                self.geo.proxies.push(network);
                return Ok(());
            }
            b"default" => {
                self.set_default(value, line);
                return Ok(());
            }
            _ => {}
        }
        if self.ranges.is_some() {
            self.add_range(first, value, line)
        } else {
            self.add_network(first, value, line)
        }
    }

    fn use_ranges(&mut self) -> Result<(), Refused> {
        if self.has_networks {
            let message =
                "the \"ranges\" directive must be the first directive inside \"geo\" block";
            return Err(Refused::new(message));
        }
        self.ranges.get_or_insert_default();
        Ok(())
    }

    /// Of networks, the default is the one that has all addresses.
    fn set_default(&mut self, value: &[u8], line: &conf::Directive) {
        let value = self.value(value);
        if self.ranges.is_none() {
            for all in [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()] {
                self.insert_network(Cidr::new(all, 0), &value, b"default", line);
            }
        } else if let Some(old) = self.geo.default.replace(value.clone()) {
            let (value, old) = (lossy(&value), lossy(&old));
            let message =
                format!("duplicate default geo range value: \"{value}\", old value: \"{old}\"");
            self.loading.warn(message, Some(line.end));
        }
    }

    /// `network value` or `delete network`
    fn add_network(
        &mut self,
        first: &[u8],
        second: &[u8],
        line: &conf::Directive,
    ) -> Result<(), Refused> {
        self.has_networks = true;
        if first != b"delete" {
            let network = self.network(first, line)?;
            let value = self.value(second);
            self.insert_network(network, &value, first, line);
            return Ok(());
        }
        let network = self.network(second, line)?;
        if let Table::Networks(networks) = &mut self.geo.table
            && !networks.remove(network)
        {
            let message = format!("no network \"{}\" to delete", lossy(second));
            self.loading.warn(message, Some(line.end));
        }
        Ok(())
    }

    fn insert_network(
        &mut self,
        network: Cidr,
        value: &Bytes,
        name: &[u8],
        line: &conf::Directive,
    ) {
        self.has_networks = true;
        if let Table::Networks(networks) = &mut self.geo.table
            && let Some(old) = networks.insert(network, value.clone())
        {
            self.warn_duplicate("network", name, value, &old, line);
        }
    }

    /// `range value` or `delete range`
    fn add_range(
        &mut self,
        first: &[u8],
        second: &[u8],
        line: &conf::Directive,
    ) -> Result<(), Refused> {
        let is_removal = first == b"delete";
        let text = if is_removal { second } else { first };
        let invalid = || Refused::new(format!("invalid range \"{}\"", lossy(text)));
        let (start, end) = parse_range(text).ok_or_else(invalid)?;
        let value = self.value(second);
        let Some(ranges) = &mut self.ranges else {
            return Ok(());
        };
        if is_removal {
            if !ranges.remove(start, end) {
                let message = format!("no address range \"{}\" to delete", lossy(text));
                self.loading.warn(message, Some(line.end));
            }
            return Ok(());
        }
        match ranges.add(start, end, &value) {
            Added::New => Ok(()),
            Added::Replaced(values) => {
                for old in values {
                    self.warn_duplicate("range", text, &value, &old, line);
                }
                Ok(())
            }
            Added::Overlaps(start, end) => {
                let text = lossy(text);
                Err(Refused::new(format!(
                    "range \"{text}\" overlaps \"{start}-{end}\""
                )))
            }
        }
    }

    fn warn_duplicate(
        &mut self,
        what: &str,
        name: &[u8],
        value: &[u8],
        old: &[u8],
        line: &conf::Directive,
    ) {
        let (name, value, old) = (lossy(name), lossy(value), lossy(old));
        let message =
            format!("duplicate {what} \"{name}\", value: \"{value}\", old value: \"{old}\"");
        self.loading.warn(message, Some(line.end));
    }

    fn network(&mut self, text: &[u8], line: &conf::Directive) -> Result<Cidr, Refused> {
        let network = self.loading.cidr(text, line.end);
        network.ok_or_else(|| Refused::new(format!("invalid network \"{}\"", lossy(text))))
    }

    /// The value as shared bytes: large tables have few different ones.
    fn value(&mut self, text: &[u8]) -> Bytes {
        if let Some(known) = self.values.get(text) {
            return Bytes::Shared(Rc::clone(known));
        }
        let value: Rc<[u8]> = text.into();
        self.values.insert(Rc::clone(&value));
        Bytes::Shared(value)
    }
}

/// `first-last`; the address that stands for no address is none here.
fn parse_range(text: &[u8]) -> Option<(u32, u32)> {
    let (first, last) = std::str::from_utf8(text).ok()?.split_once('-')?;
    let parse = |text: &str| {
        text.parse::<Ipv4Addr>()
            .ok()
            .filter(|ip| !ip.is_broadcast())
    };
    let (first, last) = (parse(first)?.to_bits(), parse(last)?.to_bits());
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests;
