package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const recordsMade = 400

// made gives keys, values and headers of every kind: none, empty, zero bytes, repeated, large; timestamps 1 s apart.
func made(topic string, now time.Time) []*kgo.Record {
	random := rand.New(rand.NewSource(int64(len(topic))))
	noise := func(length int) []byte {
		bytes := make([]byte, length)
		random.Read(bytes)
		return bytes
	}
	headers := []kgo.RecordHeader{
		{Key: "h", Value: []byte("first")}, {Key: "h", Value: []byte("again")}, {Key: "empty", Value: []byte{}},
		{Key: "null", Value: nil}, {Key: "é", Value: []byte{0xff, 0}},
	}
	var records []*kgo.Record
	for i := range recordsMade {
		text := []byte(strings.Repeat(fmt.Sprintf("value-%d ", i), 7))
		value := [][]byte{text, noise(random.Intn(3000)), {}, nil, {0, '\n', '\t', 0xff}}[i%5]
		if i%97 == 5 {
			value = append(noise(100_000), make([]byte, 100_000)...)
		}
		records = append(records, &kgo.Record{
			Topic:     topic,
			Key:       [][]byte{nil, {}, fmt.Appendf(nil, "key-%d", i), noise(1 + random.Intn(40))}[i%4],
			Value:     value,
			Headers:   headers[:i%6],
			Timestamp: now.Add(time.Duration(i-recordsMade) * time.Second).Truncate(time.Millisecond),
		})
	}
	return records
}

// same is nil where the records are those that were written, in their order, from this offset on.
func same(wanted, found []*kgo.Record, offset int64) error {
	if len(wanted) != len(found) {
		return fmt.Errorf("%d records instead of %d", len(found), len(wanted))
	}
	for i, record := range found {
		want := wanted[i]
		switch {
		case record.Offset != offset+int64(i):
			return fmt.Errorf("record %d has the offset %d", i, record.Offset)
		case !equal(want.Key, record.Key):
			return fmt.Errorf("record %d: key %.80q instead of %.80q", i, record.Key, want.Key)
		case !equal(want.Value, record.Value):
			return fmt.Errorf("record %d: value %.80q instead of %.80q", i, record.Value, want.Value)
		case !want.Timestamp.Equal(record.Timestamp):
			return fmt.Errorf("record %d: time %v instead of %v", i, record.Timestamp, want.Timestamp)
		case len(want.Headers) != len(record.Headers):
			return fmt.Errorf("record %d: %d headers instead of %d", i, len(record.Headers), len(want.Headers))
		}
		for j, header := range record.Headers {
			if header.Key != want.Headers[j].Key || !equal(want.Headers[j].Value, header.Value) {
				return fmt.Errorf("record %d: header %v instead of %v", i, header, want.Headers[j])
			}
		}
	}
	return nil
}

// equal tells no bytes from none at all.
func equal(a, b []byte) bool {
	return bytes.Equal(a, b) && (a == nil) == (b == nil)
}
