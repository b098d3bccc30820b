//! DescribeConfigs (32), versions 0–4.
//!
//! Version 0 says whether a value is the default, later ones where it comes from; 3 adds types and documentation (KIP-569).

use crate::wire::Text;

message! {
    pub struct DescribeConfigsRequest: request(DescribeConfigs, DescribeConfigsResponse) {
        [0..] resources: Vec<DescribeConfigsResource>,
        [1..] include_synonyms: bool,
        [3..] include_documentation: bool,
    }

    pub struct DescribeConfigsResource {
        [0..] resource_type: i8,
        [0..] resource_name: Text,
        [0..; null(0..)] configuration_keys: Option<Vec<Text>> = Some(Vec::new()),
    }

    pub struct DescribeConfigsResponse: response(DescribeConfigs) {
        [0..] throttle_time_ms: i32,
        [0..] results: Vec<DescribeConfigsResult>,
    }

    pub struct DescribeConfigsResult {
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text> = Some(Text::default()),
        [0..] resource_type: i8,
        [0..] resource_name: Text,
        [0..] configs: Vec<DescribeConfigsResourceResult>,
    }

    pub struct DescribeConfigsResourceResult {
        [0..] name: Text,
        [0..; null(0..)] value: Option<Text> = Some(Text::default()),
        [0..] read_only: bool,
        [0..=0] is_default: bool,
        [1..; ignorable] config_source: i8 = -1,
        [0..] is_sensitive: bool,
        [1..; ignorable] synonyms: Vec<DescribeConfigsSynonym>,
        [3..; ignorable] config_type: i8,
        [3..; null(0..) ignorable] documentation: Option<Text> = Some(Text::default()),
    }

    pub struct DescribeConfigsSynonym {
        [1..] name: Text,
        [1..; null(0..)] value: Option<Text> = Some(Text::default()),
        [1..] source: i8,
    }
}
