//! What cloud platforms tell of a connection in records of the PROXY protocol: variables.
//!
//! Source: nginx documentation, ngx_http_proxy_protocol_vendor_module; the layouts are those
//! that the platforms publish.

use http::{Module, Request, Variable};
use std::io::Write;

/// Names of records as `$proxy_protocol_tlv_` takes them.
const AWS: &[u8] = b"0xea";
const AZURE: &[u8] = b"0xee";
const GCP: &[u8] = b"0xe0";

/// First byte of Amazon's record: the id of a VPC endpoint follows.
const AWS_VPCE_ID: u8 = 1;

/// First byte of Microsoft's record: the link id of a private endpoint follows.
const AZURE_LINK_ID: u8 = 1;

/// Records of cloud platforms.
pub(crate) static MODULE: Module = Module {
    name: "proxy_protocol_vendor",
    variables: &[
        Variable::new("proxy_protocol_tlv_aws_vpce_id", |request, out| {
            let record = record(request, AWS);
            let id = record.as_deref().and_then(vpc_endpoint);
            id.inspect(|id| out.extend_from_slice(id)).is_some()
        }),
        Variable::new("proxy_protocol_tlv_azure_pel_id", |request, out| {
            let id = record(request, AZURE).and_then(|record| private_endpoint(&record));
            id.is_some_and(|id| write!(out, "{id}").is_ok())
        }),
        Variable::new("proxy_protocol_tlv_gcp_conn_id", |request, out| {
            let id = record(request, GCP).and_then(|record| connection_id(&record));
            id.is_some_and(|id| write!(out, "{id}").is_ok())
        }),
    ],
    ..Module::EMPTY
};

fn record(request: &Request, name: &[u8]) -> Option<Vec<u8>> {
    request.connection.proxy()?.tlv_by_name(name)
}

/// The id of an AWS VPC endpoint: text.
fn vpc_endpoint(record: &[u8]) -> Option<&[u8]> {
    match record {
        [AWS_VPCE_ID, id @ ..] => Some(id),
        _ => None,
    }
}

/// The link id of an Azure private endpoint: 32 bits, the lowest byte first.
fn private_endpoint(record: &[u8]) -> Option<u32> {
    match record {
        [AZURE_LINK_ID, a, b, c, d] => Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// The id of a connection of Google's Private Service Connect: 64 bits, the highest byte first.
fn connection_id(record: &[u8]) -> Option<u64> {
    record.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_other_shapes_have_no_value() {
        assert_eq!(vpc_endpoint(b"\x01vpce-08d2"), Some(&b"vpce-08d2"[..]));
        assert_eq!(vpc_endpoint(b"\x02vpce-08d2"), None);
        assert_eq!(vpc_endpoint(b""), None);
        assert_eq!(private_endpoint(b"\x01\x02\x01\x00\x00"), Some(258));
        assert_eq!(private_endpoint(b"\x02\x02\x01\x00\x00"), None);
        assert_eq!(private_endpoint(b"\x01\x02\x01\x00\x00\x00"), None);
        assert_eq!(connection_id(&258_u64.to_be_bytes()), Some(258));
        assert_eq!(connection_id(b"\x01"), None);
    }
}
