use super::*;

fn twins() -> Vec<Value> {
    vec![
        json!({"deviceId": "a", "status": "enabled", "connectionState": "Connected", "cloudToDeviceMessageCount": 2,
            "tags": {"site": "A", "floor": 3, "my-tag": 1, "two words": true, "list": [1, "x"]},
            "properties": {"desired": {"t": 21.5, "$version": 2}, "reported": {"t": 21.5, "o": {"p": 1}}}}),
        json!({"deviceId": "b", "status": "disabled", "connectionState": "Disconnected", "cloudToDeviceMessageCount": 0,
            "tags": {"site": "B"}, "properties": {"reported": {"t": 30, "text": "7.5"}}}),
        json!({"deviceId": "c'\"\u{e9}", "status": "enabled", "connectionState": "Disconnected", "cloudToDeviceMessageCount": 0,
            "tags": {"site": "B", "floor": "3"}, "properties": {"reported": {"t": "warm"}}}),
    ]
}

fn run(text: &str) -> Vec<Value> {
    let query = Query::parse(text).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
    if query.is_aggregate() {
        let mut aggregation = Aggregation::default();
        for twin in twins() {
            query.add(&mut aggregation, &twin).unwrap();
        }
        return query.finish(aggregation);
    }
    let rows = twins().into_iter().filter_map(|twin| query.row(twin));
    rows.take(query.top()).collect()
}

/// The first letters of the ids that a condition finds.
fn found(condition: &str) -> String {
    let rows = run(&format!("SELECT * FROM devices WHERE {condition}"));
    rows.iter()
        .map(|twin| &twin["deviceId"].as_str().unwrap()[..1])
        .collect()
}

#[test]
fn conditions() {
    for (condition, ids) in [
        ("tags.site = 'A'", "a"),
        ("devices.tags.site != \"A\"", "bc"),
        ("tags.site <> 'A'", "bc"),
        ("tags['site'] = 'A'", "a"),
        ("tags.[[site]] = 'A' AND [[status]] = 'enabled'", "a"),
        ("tags[[two words]]", "a"),
        ("tags['two words'] = true", "a"),
        ("tags.my-tag = 1", "a"),
        ("tags.list[0] = 1 AND tags.list[1] = 'x'", "a"),
        ("tags.list[2] = 1", ""),
        // Members of the twin itself are not case-sensitive; what people named is.
        ("DeviceId = 'a' OR ID = 'b'", "ab"),
        ("id = 'a'", "a"),
        ("CONNECTIONSTATE = 'Connected'", "a"),
        ("Properties.Reported.t = 30", "b"),
        ("properties.desired.$version = 2", "a"),
        ("Tags.Site = 'A'", ""),
        ("status = 'ENABLED'", ""),
        // Undefined decides nothing.
        ("tags.floor = 3", "a"),
        ("tags.floor != 3", "c"),
        ("NOT tags.floor = 3", "c"),
        ("tags.nothing = null", ""),
        ("tags.nothing = undefined", ""),
        ("tags.nothing OR deviceId = 'a'", "a"),
        ("NOT (tags.nothing = 1 AND deviceId = 'b')", "ac"),
        ("is_defined(tags.floor)", "ac"),
        ("NOT is_defined(tags.floor)", "b"),
        // Text and number are not compared.
        ("tags.floor > 2", "a"),
        ("tags.floor > '2'", "c"),
        ("properties.reported.o = properties.reported.o", "a"),
        ("properties.desired.t = properties.reported.t", "a"),
        // Precedence.
        (
            "deviceId = 'a' OR deviceId = 'b' AND status = 'enabled'",
            "a",
        ),
        (
            "(deviceId = 'a' OR deviceId = 'b') AND status = 'disabled'",
            "b",
        ),
        ("NOT deviceId = 'a' AND status = 'enabled'", "c"),
        ("NOT NOT deviceId = 'a'", "a"),
        (
            "1 + 2 * 3 = 7 AND (1 + 2) * 3 = 9 AND 2 - 3 - 4 = -5",
            "abc",
        ),
        (
            "7 % 4 = 3 AND 7 / 2 = 3.5 AND -2 * -3 = 6 AND 1 / 0 = 1",
            "",
        ),
        ("7 % 4 = 3 AND 7 / 2 = 3.5 AND -2 * -3 = 6", "abc"),
        (
            "0x1F = 31 AND 1.5e2 = 150 AND 1E-2 = 0.01 AND 1 = 1.0",
            "abc",
        ),
        ("cloudToDeviceMessageCount + 1 >= 3", "a"),
        ("properties.reported.t <= 30 and status = 'enabled'", "a"),
        ("9007199254740993 = 9007199254740993", "abc"),
        ("9223372036854775807 + 1 > 0", "abc"),
        // Lists.
        ("deviceId IN ['b', 'x']", "b"),
        ("deviceId NIN ['b', 'x']", "ac"),
        ("deviceId NOT IN ['b']", "ac"),
        ("deviceId IN []", ""),
        ("tags.floor NIN [3]", "c"),
        ("tags.list = [1, 'x']", "a"),
        ("'x' IN tags.list", "a"),
        // Texts.
        (r#"deviceId = "c'\"\u00e9""#, "c"),
        (r#"deviceId = 'c\'"é'"#, "c"),
        ("tags.site = 'A", ""),
    ] {
        if condition.ends_with("'A") {
            Query::parse(&format!("SELECT * FROM devices WHERE {condition}")).unwrap_err();
        } else {
            assert_eq!(found(condition), ids, "{condition}");
        }
    }
}

#[test]
fn functions_of_the_page() {
    for condition in [
        "startswith('abc', 'ab') AND STARTS_WITH('abc', 'ab')",
        "endswith('abc', 'bc') AND ends_with('abc', 'bc')",
        "contains('abc', 'b') AND NOT contains('abc', 'B')",
        "array_contains(['a', 1], 1) AND NOT array_contains(['a'], 'b')",
        "concat('a', 'b', 'c') = 'abc'",
        "length('aé') = 2 AND lower('ÄB') = 'äb' AND upper('äb') = 'ÄB'",
        "substring('abcdef', 2) = 'cdef' AND substring('abcdef', 2, 3) = 'cde'",
        "substring('aéb', 9) = '' AND index_of('aéb', 'b') = 2 AND index_of('a', 'b') = -1",
        "abs(-2) = 2 AND abs(-2.5) = 2.5 AND sign(-3) = -1 AND sign(0) = 0",
        "exp(0) = 1 AND power(2, 10) = 1024 AND square(3) = 9 AND sqrt(9) = 3",
        "ceiling(1.2) = 2 AND floor(-1.2) = -2",
        "as_number('7.5') = 7.5 AND as_number(3) = 3 AND NOT is_defined(as_number('x'))",
        "is_array([1]) AND is_bool(false) AND is_null(null) AND is_number(1) AND is_string('')",
        "is_primitive(null) AND NOT is_primitive([1]) AND NOT is_object('x')",
        "NOT is_defined(sqrt(-1)) AND NOT is_defined(length(1)) AND NOT is_defined(undefined)",
        "is_defined(null) AND NOT is_null(undefined)",
    ] {
        assert_eq!(found(condition), "abc", "{condition}");
    }
    assert_eq!(found("is_object(properties.reported.o)"), "a");
    assert_eq!(found("as_number(properties.reported.text) > 7"), "b");
}

#[test]
fn projections() {
    assert_eq!(
        run(
            "SELECT DeviceId, tags.site AS place, tags.floor FROM devices d WHERE d.status = 'enabled'"
        ),
        [
            json!({"deviceId": "a", "place": "A", "floor": 3}),
            json!({"deviceId": "c'\"\u{e9}", "place": "B", "floor": "3"})
        ]
    );
    assert_eq!(
        run("select top 1 d.ID from devices as d"),
        [json!({"deviceId": "a"})]
    );
    assert_eq!(run("SELECT TOP 2 * FROM devices").len(), 2);
    let order = Query::parse("SELECT status, deviceId FROM devices").unwrap();
    let row = order.row(twins().remove(0)).unwrap();
    assert_eq!(row, json!({"status": "enabled", "deviceId": "a"}));
}

#[test]
fn aggregates() {
    assert_eq!(run("SELECT COUNT() AS n FROM devices"), [json!({"n": 3})]);
    assert_eq!(
        run(
            "SELECT count() as n, avg(properties.reported.t) as mean, SUM(properties.reported.t) AS all_, \
             MIN(deviceId) AS first, MAX(properties.reported.t) AS most FROM devices"
        ),
        [json!({"n": 3, "mean": 25.75, "all_": 51.5, "first": "a", "most": 30})]
    );
    assert_eq!(
        run("SELECT tags.site AS site, COUNT() AS n FROM devices GROUP BY tags.site"),
        [json!({"site": "A", "n": 1}), json!({"site": "B", "n": 2})]
    );
    // A group of what has no such value; 3 and '3' are two.
    assert_eq!(
        run("SELECT tags.floor, COUNT() AS n FROM devices GROUP BY tags.floor"),
        [
            json!({"floor": 3, "n": 1}),
            json!({"n": 1}),
            json!({"floor": "3", "n": 1})
        ]
    );
    assert_eq!(
        run("SELECT COUNT(tags.floor) AS n FROM devices WHERE status = 'no such'"),
        [json!({"n": 0})]
    );
    assert_eq!(
        run("SELECT AVG(tags.nothing) AS m, COUNT() AS n FROM devices"),
        [json!({"n": 3})]
    );
    assert_eq!(
        run("SELECT TOP 1 tags.site, COUNT() AS n FROM devices GROUP BY tags.site").len(),
        1
    );
}

#[test]
fn other_collections() {
    for (text, collection) in [
        (
            "SELECT * FROM devices.modules WHERE devices.modules.deviceId = 'a'",
            Collection::Modules,
        ),
        (
            "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j'",
            Collection::Jobs,
        ),
        (
            "SELECT * FROM DEVICES.MODULES m WHERE m.moduleId = 'a'",
            Collection::Modules,
        ),
    ] {
        assert_eq!(
            Query::parse(text).unwrap().collection(),
            collection,
            "{text}"
        );
    }
}

#[test]
fn says_where_it_goes_wrong() {
    let deep = format!("SELECT * FROM devices WHERE {}a = 1", "(".repeat(2_000));
    let long = format!("SELECT * FROM devices WHERE a = '{}'", "x".repeat(9_000));
    for (text, why) in [
        ("", "SELECT was expected at the end"),
        (
            "SELECT * FROM jobs",
            "devices, devices.modules or devices.jobs was expected, and 'jobs' at character 15",
        ),
        (
            "SELECT * FROM devices WHERE",
            "a value was expected at the end",
        ),
        (
            "SELECT * FROM devices WHERE a = ",
            "a value was expected at the end",
        ),
        (
            "SELECT * FROM devices WHERE (a = 1",
            "')' was expected at the end",
        ),
        (
            "SELECT * FROM devices WHERE a = 1)",
            "the end was expected, and ')' at character 34",
        ),
        (
            "SELECT * FROM devices WHERE a IN ['b'",
            "']' was expected at the end",
        ),
        (
            "SELECT * FROM devices WHERE a . = 1",
            "a name was expected, and '=' at character 33",
        ),
        (
            "SELECT * FROM devices WHERE a = 'x",
            "begins at character 33 is not closed",
        ),
        (
            "SELECT * FROM devices WHERE a = '\\x'",
            "the escape at character 34",
        ),
        (
            "SELECT * FROM devices WHERE a = '\\ud800'",
            "'\\ud800' at character 34 is no character",
        ),
        (
            "SELECT * FROM devices WHERE a = 12x",
            "'12x' at character 33 is no number",
        ),
        (
            "SELECT * FROM devices WHERE a ~ 1",
            "'~' at character 31 has no meaning",
        ),
        ("SELECT * FROM devices WHERE [[a = 1", "must end with ]]"),
        (
            "SELECT * FROM devices; DROP TABLE devices",
            "';' at character 22 has no meaning",
        ),
        (
            "SELECT * FROM devices ORDER BY deviceId",
            "the end was expected, and 'ORDER' at character 23",
        ),
        (
            "SELECT * FROM devices WHERE nosuch(a)",
            "'nosuch' is none of the functions IS_DEFINED,",
        ),
        (
            "SELECT * FROM devices WHERE length()",
            "LENGTH takes 1 arguments, and there are 0",
        ),
        (
            "SELECT * FROM devices WHERE substring('a', 1, 2, 3)",
            "SUBSTRING takes 2 to 3 arguments, and there are 4",
        ),
        (
            "SELECT TOP x * FROM devices",
            "a whole number above 0 was expected",
        ),
        (
            "SELECT TOP 0 * FROM devices",
            "a whole number above 0 was expected",
        ),
        (
            "SELECT median(a) FROM devices",
            "COUNT(), AVG, SUM, MIN or MAX was expected",
        ),
        ("SELECT avg() FROM devices", "a name was expected"),
        (
            "SELECT deviceId, COUNT() FROM devices",
            "'deviceId' stands beside an aggregate",
        ),
        (
            "SELECT * FROM devices GROUP BY status",
            "GROUP BY needs a SELECT that names its columns",
        ),
        ("SELECT COUNT() FROM devices.jobs", "takes SELECT * alone"),
        (&deep, "nests deeper than 256"),
        (&long, "8192 are the most"),
    ] {
        let refusal = Query::parse(text).unwrap_err();
        assert!(refusal.reason.contains(why), "{text:.60}: {refusal}");
    }
}

/// What a hostile query may be made of; none recurses.
#[test]
fn long_queries_run() {
    for (before, part, last) in [
        ("", "a=1 OR ", "status = 'enabled'"),
        ("", "NOT ", "status = 'disabled' OR status = 'enabled'"),
        ("status = 'enabled' OR ", "a=", "1"),
        ("status = 'enabled' OR 0 < ", "1+", "1"),
    ] {
        let room = if part == "NOT " {
            200
        } else {
            8_000 / part.len()
        };
        let condition = format!("{before}{}{last}", part.repeat(room));
        assert!(found(&condition).contains('a'), "{part}");
    }
}
