//! CSV files, told and inferred, good and damaged.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use minibatch::Error;
use minibatch::data::{
    Csv, CsvCategories, CsvFile, CsvMissing, CsvSchema, CsvType, Element, RandomAccess, Samples,
    Source, Values, Visit,
};

use crate::files::{Place, all, columns, damage, fuzz};

const FLATS: &str = "\
rooms,district,built,note,rent
3, north ,1950,quiet,900
2,south,?,-,850
4.5,north,1970,\"two
lines, one comma\",1400

1,\"a \"\"b\"\"\",1980,-,500
";

fn flats(place: &Place) -> PathBuf {
    place.file("flats.csv", FLATS.as_bytes())
}

fn open(csv: Csv) -> CsvFile {
    csv.open().unwrap()
}

#[test]
fn types_are_inferred_and_reported() {
    let place = Place::new();
    let file = open(
        Csv::new(flats(&place))
            .missing(CsvMissing::Mean)
            .column("note", CsvType::Ignored)
            .target("rent")
            .column("rent", CsvType::Number),
    );
    assert!(file.has_header());
    let known: Vec<_> =
        file.columns().map(|c| (&*c.name, c.kind, c.inferred, c.is_target)).collect();
    assert_eq!(
        known,
        [
            ("rooms", CsvType::Number, true, false),
            ("district", CsvType::Category, true, false),
            ("built", CsvType::Number, true, false),
            ("note", CsvType::Ignored, false, false),
            ("rent", CsvType::Number, false, true),
        ]
    );
    let names = ["rooms", "district=a \"b\"", "district=north", "district=south", "built"];
    assert_eq!(file.input_names(), names);
    let built = ((1950.0 + 1970.0 + 1980.0) / 3.0) as f32;
    #[rustfmt::skip]
    let inputs = vec![
        3.0, 0.0, 1.0, 0.0, 1950.0,
        2.0, 0.0, 0.0, 1.0, built,
        4.5, 0.0, 1.0, 0.0, 1970.0,
        1.0, 1.0, 0.0, 0.0, 1980.0,
    ];
    let expected = [Values::F32(inputs), Values::F32(vec![900.0, 850.0, 1400.0, 500.0])];
    assert_eq!(columns(&file.source()), expected);
    assert_eq!(columns(&file.stream()), expected);
    // Rows that a stream goes past are not parsed; one of them has two lines.
    for (index, rent) in [900.0, 850.0, 1400.0, 500.0].into_iter().enumerate() {
        let one = file.stream().shard(index, 4).unwrap();
        assert_eq!(columns(&one)[1], Values::F32(vec![rent]));
    }
    assert_eq!(file.source().len(), Some(4));
    assert!(file.stream().is_stream());
    assert_eq!(file.place(0), format!("{}, line 2", flats(&place).display()));
    assert_eq!(file.place(3), format!("{}, line 7", flats(&place).display()));
}

#[test]
fn any_row_is_found() {
    let place = Place::new();
    let text: String = (0..500)
        .map(|row| match row % 7 {
            0 => format!("{row},\"x\n{row}\"\n"),
            _ => format!("{row},y\n"),
        })
        .collect();
    for text in [text.clone(), text.replace('\n', "\r\n"), text.trim_end().to_owned()] {
        let path = place.file("rows.csv", text.as_bytes());
        let file = open(
            Csv::new(path).header(false).column("1", CsvType::Ignored).column("0", CsvType::Number),
        );
        let mut samples = Samples::new(file.fields().clone());
        let order = [499, 3, 4, 5, 0, 7, 6, 250, 251];
        file.read_all(&order, &Visit::default(), &mut samples).unwrap();
        file.read(8, &Visit::default(), &mut samples).unwrap();
        let expected = order.iter().chain(&[8]).map(|&row| row as f32).collect();
        assert_eq!(samples.columns(), [Values::F32(expected)]);
        // Rows 0 and 7 take two lines each.
        assert!(file.place(8).ends_with("line 11"), "{}", file.place(8));
    }
}

#[test]
fn classes_are_texts_or_whole_numbers_in_order() {
    let place = Place::new();
    let file = |text: &str| {
        let path = place.file("c.csv", text.as_bytes());
        open(Csv::new(path).target("1"))
    };
    let texts = file("1,dog\n2,cat\n3,dog\n");
    let field = &texts.fields().targets()[0];
    assert_eq!(
        (field.classes, &field.class_names[..]),
        (Some(2), &["cat".into(), "dog".into()][..])
    );
    assert_eq!(field.name, "output");
    assert_eq!(columns(&texts.source())[1], Values::U32(vec![1, 0, 1]));
    let numbers = file("1,10\n2,9\n3,-1\n");
    assert_eq!(columns(&numbers.source())[1], Values::U32(vec![2, 1, 0]));
    assert_eq!(numbers.fields().targets()[0].class_names, ["-1", "9", "10"]);
    let values = file("1,10\n2,9.5\n");
    assert_eq!(columns(&values.source())[1], Values::F32(vec![10.0, 9.5]));
    let many: String = (0..101).map(|row| format!("1,{row}\n")).collect();
    assert_eq!(file(&many).fields().targets()[0].element, Element::F32);
}

#[test]
fn bytes_stay_bytes_and_get_a_shape() {
    let place = Place::new();
    let path = place.file("pixels.csv", b"label,a,b,c,d\n1,0,255,3,4\n0,5,6,7,8\n");
    let mut csv = Csv::new(&path).target("label").input_shape(&[2, 2]);
    for name in ["a", "b", "c", "d"] {
        csv = csv.column(name, CsvType::Byte);
    }
    let file = open(csv);
    assert_eq!(file.fields().inputs()[0].shape, [2, 2]);
    let pixels = Values::U8(vec![0, 255, 3, 4, 5, 6, 7, 8]);
    assert_eq!(columns(&file.source()), [pixels, Values::U32(vec![1, 0])]);
    let wrong = Csv::new(&path).input_shape(&[3]).open().unwrap_err();
    assert!(matches!(wrong, Error::Argument { argument: "input_shape", .. }), "{wrong}");
}

#[test]
fn missing_values_follow_the_policy() {
    let place = Place::new();
    let path = place.file("m.csv", b"a,b\n1,x\n,y\n3,NA\n");
    let message = damage(&Csv::new(&path).open().unwrap_err(), &path);
    assert!(message.contains("line 3, column \"a\": has no value"), "{message}");
    let constant = open(Csv::new(&path).missing(CsvMissing::Constant(-1.0)));
    assert_eq!(constant.input_names(), ["a", "b=", "b=x", "b=y"]);
    #[rustfmt::skip]
    let rows = vec![
        1.0, 0.0, 1.0, 0.0,
        -1.0, 0.0, 0.0, 1.0,
        3.0, 1.0, 0.0, 0.0,
    ];
    assert_eq!(columns(&constant.source()), [Values::F32(rows)]);
    let index = Csv::new(&path).missing(CsvMissing::Mean).categories(CsvCategories::Index);
    let rows = vec![1.0, 1.0, 2.0, 2.0, 3.0, 0.0];
    assert_eq!(columns(&open(index).source()), [Values::F32(rows)]);
    let marked = Csv::new(&path).missing(CsvMissing::Constant(0.0)).missing_markers(["", "3"]);
    assert_eq!(open(marked).input_names(), ["a", "b=NA", "b=x", "b=y"]);
    let target = Csv::new(&path).missing(CsvMissing::Mean).target("b").open().unwrap_err();
    let message = damage(&target, &path);
    assert!(message.contains("line 4, column \"b\": has no value, and is a target"), "{message}");
}

#[test]
fn a_test_set_takes_what_the_training_set_knows() {
    let place = Place::new();
    let train = place.file("train.csv", b"a,b,c\n1,x,no\n3,y,yes\n");
    let train = open(Csv::new(train).target("c").missing(CsvMissing::Mean));
    let test = place.file("test.csv", b"a,b,c\n?,y,yes\n");
    let test_set = train.like(&test).unwrap();
    assert_eq!(test_set.fields(), train.fields());
    let expected = [Values::F32(vec![2.0, 0.0, 1.0]), Values::U32(vec![1])];
    assert_eq!(columns(&test_set.source()), expected);

    fs::write(&test, "a,b,c\n1,x,no\n1,z,no\n").unwrap();
    let message = damage(&train.like(&test).unwrap_err(), &test);
    assert!(message.contains("line 3, column \"b\": is \"z\""), "{message}");
    fs::write(&test, "a,c,b\n1,x,no\n").unwrap();
    let message = damage(&train.like(&test).unwrap_err(), &test);
    assert!(message.contains("another header"), "{message}");
}

#[test]
fn damage_is_named_by_line_and_column() {
    let place = Place::new();
    let read = |text: &str| {
        let path = place.file("d.csv", text.as_bytes());
        let read = || all(&Csv::new(&path).infer_from(2).open()?.source(), 2);
        damage(&read().unwrap_err(), &path)
    };
    for (text, expected) in [
        ("a,b\n1,2\n3\n", "line 3: has 1 fields, expected 2"),
        ("a,b\n1,2\n3,4\n5,6,7\n", "line 4: has 3 fields, expected 2"),
        ("a,b\n1,2\n3,4\n5,x\n", "line 4, column \"b\": is \"x\", expected a finite number"),
        ("a,b\n1,2\n3,4\n5,inf\n", "line 4, column \"b\": is \"inf\""),
        ("a,b\n1,2\n3,4\n1e99,0\n", "line 4, column \"a\": is \"1e99\""),
        ("a,b\n1,2\n3,4\n5,NaN\n", "line 4, column \"b\": has no value"),
        ("a,b\n", "has no row"),
        ("", "has no row"),
        ("a,a\n1,2\n", "two columns are called \"a\""),
        ("a,b\n1,2\r3,4\n", "line 2: a carriage return"),
    ] {
        let message = read(text);
        assert!(message.contains(expected), "{text:?}: {message}");
    }
    let many: String = (0..12).map(|row| format!("t{row}\n")).collect();
    let path = place.file("many.csv", many.as_bytes());
    let csv = Csv::new(&path).header(false);
    let message = damage(&csv.clone().most_categories(11).open().unwrap_err(), &path);
    assert!(message.contains("line 12, column \"0\": has more than 11 categories"), "{message}");
    assert_eq!(open(csv.clone().most_categories(12)).input_names().len(), 12);
    let absent = csv.target("x").open().unwrap_err();
    assert!(matches!(absent, Error::Argument { argument: "column", .. }), "{absent}");
    let bytes = place.file("bytes.csv", b"a\n255\n256\n");
    let file = open(Csv::new(&bytes).column("a", CsvType::Byte));
    let message = damage(&all(&file.source(), 9).unwrap_err(), &bytes);
    assert!(message.contains("line 3, column \"a\": is \"256\""), "{message}");
}

#[test]
fn a_quote_that_is_never_closed_costs_no_memory() {
    let place = Place::new();
    let mut text = b"a,b\n1,2\n3,\"4\n".to_vec();
    text.resize(17 << 20, b'\n');
    let path = place.file("open.csv", &text);
    let message = damage(&Csv::new(&path).open().unwrap_err(), &path);
    assert!(message.contains("longer than 16 MiB"), "{message}");
}

#[test]
fn a_file_that_shrinks_is_an_error_with_the_line() {
    let place = Place::new();
    let text: String = (0..100).map(|row| format!("{row},{row}\n")).collect();
    let path = place.file("s.csv", text.as_bytes());
    let file = open(Csv::new(&path));
    // Rows 0 to 9 have 4 bytes, the others 6.
    OpenOptions::new().write(true).open(&path).unwrap().set_len(40 + 6 * 10).unwrap();
    for source in [file.source(), file.stream()] {
        let mut batches = source.batches(20, &Visit::default()).unwrap();
        assert_eq!(batches.next().unwrap().unwrap().len(), 20);
        let message = damage(&batches.next().unwrap().unwrap_err(), &path);
        assert!(message.contains("had 100 rows"), "{message}");
    }
    let last = file.stream().shard(99, 100).unwrap();
    let message = damage(&all(&last, 5).unwrap_err(), &path);
    assert!(message.contains("had 100 rows"), "{message}");
    let mut samples = Samples::new(file.fields().clone());
    let error = file.read(70, &Visit::default(), &mut samples).unwrap_err();
    assert!(damage(&error, &path).contains("had 100 rows"), "{error}");
    let missing = Csv::new(place.path().join("none.csv")).open().unwrap_err();
    assert!(matches!(missing, Error::Io { .. }), "{missing}");
}

#[test]
fn changed_bytes_never_stop_the_reader_otherwise() {
    let place = Place::new();
    let read = |path: &Path| {
        let csv = Csv::new(path).missing(CsvMissing::Mean).header(true);
        all(&csv.open()?.source(), 2)
    };
    fuzz(FLATS.as_bytes(), |bytes| place.file("changed.csv", bytes), read, true);
}

/// What the sets in a directory of tables hold, as their descriptions say.
#[test]
fn real_tables_are_read() {
    let Some(tables) = std::env::var_os("TABLES_DIR").map(PathBuf::from) else { return };
    let table = |name: &str| Csv::new(tables.join(name)).missing(CsvMissing::Mean);
    let count = |source: &Source| all(source, 1000).unwrap().len();

    let iris = open(table("iris.csv").target("4"));
    let classes = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"];
    assert_eq!(iris.fields().targets()[0].class_names, classes);
    assert_eq!((iris.len(), iris.input_names().len()), (150, 4));

    let adult = open(table("adult-train.csv").target("14"));
    assert_eq!(adult.len(), 32_561);
    // 6 numbers, and 9+16+7+15+6+5+2+42 categories, those missing included.
    assert_eq!(adult.input_names().len(), 6 + 102);
    assert_eq!(adult.fields().targets()[0].class_names, ["<=50K", ">50K"]);
    assert_eq!(count(&adult.source()), 32_561);
    let Values::U32(labels) = &columns(&adult.stream())[1] else { panic!("classes") };
    assert_eq!(labels.iter().filter(|&&label| label == 1).count(), 7841);

    let houses = open(table("california_housing.csv").target("median_house_value"));
    assert_eq!((houses.len(), houses.input_names().len()), (20_640, 8 + 5));
    assert_eq!(houses.fields().targets()[0].element, Element::F32);
    assert_eq!(count(&houses.source()), 20_640);
    let wine = open(table("winequality-red.csv").target("11"));
    assert_eq!((wine.len(), wine.fields().targets()[0].classes), (1599, Some(6)));
}

#[test]
fn what_is_known_of_a_table_is_kept_as_text_and_reads_other_tables() {
    let place = Place::new();
    // A category in Latin-1, which is no UTF-8.
    let bytes = b"age,town,rich\n30,K\xf6ln,1\n?,Bonn,0\n50,?,1\n";
    let path = place.file("people.csv", bytes);
    let file = open(Csv::new(&path).missing(CsvMissing::Mean).target("rich"));
    assert_eq!(file.missing_values(), 2);
    let text = serde_json::to_string(&file.schema()).unwrap();
    let schema: CsvSchema = serde_json::from_str(&text).unwrap();
    assert_eq!(schema, file.schema());

    let again = schema.open(&path).unwrap();
    assert_eq!(columns(&again.source()), columns(&file.source()));
    assert_eq!(again.source().fields(), file.source().fields());
    assert_eq!(again.missing_values(), 2);

    // 40 is the mean of the ages in the first table. Without a name, Bonn and Cologne.
    let inputs = vec![40.0, 0.0, 1.0, 0.0, 20.0, 0.0, 0.0, 1.0];
    for (name, bytes) in [
        ("without.csv", &b"age,town\nNA,Bonn\n20,K\xf6ln\n"[..]),
        ("unknown.csv", b"age,town,rich\nNA,Bonn,?\n20,K\xf6ln,maybe\n"),
    ] {
        let file = schema.open_inputs(place.file(name, bytes)).unwrap();
        assert!(file.source().fields().targets().is_empty());
        assert_eq!(columns(&file.source()), [Values::F32(inputs.clone())], "{name}");
    }
    for (bytes, problem) in [
        (&b"age,city,rich\n1,Bonn,1\n"[..], "has another header than the table"),
        (b"age,town,rich\n1,Rom,1\n", "is none of the categories"),
        (b"age,town,rich\n1,Bonn,2\n", "is none of the categories"),
        (b"age,town,rich\n1,Bonn\n", "has 2 fields, expected 3"),
        (b"age\n1\n", "has another header"),
    ] {
        let path = place.file("other.csv", bytes);
        let error = schema.open(&path).unwrap_err().to_string();
        assert!(error.contains("other.csv") && error.contains(problem), "{error}");
    }
}
