// kafkajs (a codec of its own, old versions of the APIs): `checks.js BOOTSTRAP`; NODE_PATH names its node_modules.
// It reads as a member of a group only, and joining one takes seconds: the checks run beside each other, in chains.
'use strict'

const assert = require('assert')
const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, Partitioners, logLevel } = require('kafkajs')
const { ZstdCodec } = require('zstd-codec')
const lz4 = require('lz4js')
const xxh32 = require('lz4js/xxh32.js')

const [bootstrap] = process.argv.slice(2)
const now = Date.now()
const prefix = `kafkajs-${now}`
const secondsMax = 30
const recordsMade = 400
const kafka = new Kafka({ brokers: [bootstrap], clientId: 'kafkajs', logLevel: logLevel.NOTHING })
const admin = kafka.admin()

// lz4js makes frames of one block, and leaves out the flag that blocks stand alone; Java readers insist on it.
function independent(frame) {
  frame[4] |= 0x20
  frame[6] = (xxh32.hash(0, frame, 4, 2) >> 8) & 0xff
  return frame
}

const zstd = new Promise(resolve => ZstdCodec.run(module => resolve(new module.Simple())))
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => independent(Buffer.from(lz4.compress(encoder.buffer))),
  decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
})
const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD }

// Keys, values and headers of every kind: none, empty, zero bytes, repeated, large; timestamps 1 s apart.
function records() {
  let seed = 1
  const bytes = length =>
    Buffer.from(Array.from({ length }, () => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) >> 16 & 255))
  return Array.from({ length: recordsMade }, (_, i) => {
    const large = i % 97 === 5 ? Buffer.concat([bytes(100_000), Buffer.alloc(100_000)]) : undefined
    const headers = Object.entries({ h: [Buffer.from(`${i}`), Buffer.from('again')], empty: Buffer.alloc(0), é: Buffer.from([255, 0]) })
    return {
      key: [null, Buffer.alloc(0), Buffer.from(`key-${i}`), bytes(1 + i % 40)][i % 4],
      value: large ?? [Buffer.from(`value-${i} `.repeat(7)), bytes(1 + i * 7), Buffer.alloc(0), null, Buffer.from([0, 10, 9, 255])][i % 5],
      headers: Object.fromEntries(headers.slice(0, i % 4)),
      timestamp: `${now - (recordsMade - i) * 1000}`,
    }
  })
}
const made = records()

function same(expected, found) {
  assert.strictEqual(found.length, expected.length, `${found.length} records instead of ${expected.length}`)
  expected.forEach((record, i) => assert.deepStrictEqual(found[i], record, `record ${i} differs`))
}

// Its own way of waiting for a new topic gives up when a broker has not heard of the topic yet.
async function create(topic, numPartitions = 1, configEntries = []) {
  const topics = [{ topic, numPartitions, replicationFactor: 1, configEntries }]
  const isNew = await admin.createTopics({ topics, waitForLeaders: false })
  const known = () => admin.fetchTopicMetadata({ topics: [topic] })
  await pollUntil(() => known().catch(error => (error.type === 'UNKNOWN_TOPIC_OR_PARTITION' ? false : Promise.reject(error))))
  return isNew
}

async function pollUntil(step) {
  for (const end = Date.now() + secondsMax * 1000; Date.now() < end; await new Promise(resolve => setTimeout(resolve, 50))) {
    const answer = await step()
    if (answer) return answer
  }
  throw new Error(`not within ${secondsMax} s`)
}

// Writes to partition 0, ten records a request, and returns the base offsets that were acknowledged.
async function write(topic, records, { acks = -1, compression = CompressionTypes.None, ...settings } = {}) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...settings })
  await producer.connect()
  try {
    const offsets = []
    for (let i = 0; i < records.length; i += 10) {
      const messages = records.slice(i, i + 10).map(record => ({ ...record, partition: 0 }))
      const [answer] = await producer.send({ topic, acks, compression, messages })
      offsets.push(Number(answer?.baseOffset))
    }
    return offsets
  } finally {
    await producer.disconnect()
  }
}

// Reads so many records of partition 0, from the beginning or from an offset, in a group of its own. Offsets must be dense.
async function read(topic, count, { offset, group = `${topic}-reader-${offset}`, commit = false, ...settings } = {}) {
  const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 100, ...settings })
  const found = []
  let expected = offset
  await consumer.connect()
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await within(secondsMax, (resolve, reject) => {
      const eachMessage = async ({ message: { key, value, headers, timestamp, offset } }) => {
        if (found.length === count) return
        if (expected !== undefined && Number(offset) !== expected) reject(new Error(`offset ${offset} instead of ${expected}`))
        expected = Number(offset) + 1
        found.push({ key, value, headers, timestamp })
        if (found.length === count) resolve()
      }
      consumer.run({ autoCommit: false, eachMessage }).catch(reject)
      if (offset !== undefined) consumer.seek({ topic, partition: 0, offset: `${offset}` })
    }).catch(error => assert.fail(`${error.message}, ${found.length} of ${count} records`))
    if (commit) await consumer.commitOffsets([{ topic, partition: 0, offset: `${expected}` }])
  } finally {
    await consumer.disconnect()
  }
  return found
}

function within(seconds, executor) {
  let timer
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not within ${seconds} s`)), seconds * 1000)))
  return Promise.race([new Promise(executor), late]).finally(() => clearTimeout(timer))
}

const codec = name => {
  const topic = `${prefix}-${name}`
  return [
    [`${name}_is_written`, async () => {
      await create(topic)
      const offsets = await write(topic, made, { compression: codecs[name] })
      assert.deepStrictEqual(offsets, offsets.map((_, i) => i * 10))
    }],
    [`${name}_is_read_byte_for_byte`, async () => same(made, await read(topic, made.length))],
  ]
}

const writesWith = (name, settings) => [
  [name, async () => {
    const topic = `${prefix}-${name}`
    await create(topic)
    await write(topic, made, settings)
    same(made, await read(topic, made.length))
  }],
]

async function readsFromAnOffset() {
  same(made.slice(123, 133), await read(`${prefix}-none`, 10, { offset: 123 }))
}

async function readsWithSmallFetches() {
  same(made, await read(`${prefix}-zstd`, made.length, { offset: 0, maxBytesPerPartition: 1000, maxBytes: 2000 }))
}

async function readsFromATime() {
  const topic = `${prefix}-lz4`
  const at = async timestamp => Number((await admin.fetchTopicOffsetsByTimestamp(topic, timestamp))[0].offset)
  const time = Number(made[200].timestamp)
  assert.deepStrictEqual([await at(1), await at(time), await at(time + 1)], [0, 200, 201])
  assert.strictEqual(await at(now + 1e7), made.length, 'beyond the end it answers with the end')
  same(made.slice(200), await read(topic, made.length - 200, { offset: await at(time) }))
}

async function knowsTheWatermarks() {
  const [{ low, high }] = await admin.fetchTopicOffsets(`${prefix}-gzip`)
  assert.deepStrictEqual([low, high], ['0', `${made.length}`])
}

async function createsDescribesAndDeletesTopics() {
  const topic = `${prefix}-listed`
  assert.strictEqual(await create(topic, 3), true)
  assert.strictEqual(await create(topic, 3), false, 'created twice')
  await pollUntil(async () => (await admin.listTopics()).includes(topic))
  const [{ partitions }] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics
  const leader = partitions[0].leader
  const found = partitions.map(p => [p.partitionId, p.leader, ...p.isr]).sort()
  assert.deepStrictEqual(found, [0, 1, 2].map(i => [i, leader, leader]))
  await admin.deleteTopics({ topics: [topic] })
  await pollUntil(async () => !(await admin.listTopics()).includes(topic))
}

async function describesAndAltersOptions() {
  const topic = `${prefix}-options`
  await create(topic, 1, [{ name: 'retention.ms', value: '86400000' }])
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
  const options = async () => {
    const { resources } = await admin.describeConfigs({ resources: [resource], includeSynonyms: false })
    const all = Object.fromEntries(resources[0].configEntries.map(entry => [entry.configName, entry.configValue]))
    return `${all['retention.ms']} ${all['cleanup.policy']}`
  }
  const become = wanted => pollUntil(async () => (await options()) === wanted)
  await become('86400000 delete')
  const alter = configEntries => admin.alterConfigs({ resources: [{ ...resource, configEntries }] })
  await alter([{ name: 'retention.ms', value: '7200000' }, { name: 'cleanup.policy', value: 'compact' }])
  await become('7200000 compact')
  await assert.rejects(alter([{ name: 'retention.ms', value: 'soon' }]), { type: 'INVALID_CONFIG' })
  assert.strictEqual(await options(), '7200000 compact')
}

async function addsPartitions() {
  const topic = `${prefix}-wider`
  await create(topic)
  await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
  await pollUntil(async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 4)
  await assert.rejects(admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] }))
}

async function deletesRecords() {
  const topic = `${prefix}-shorter`
  await create(topic)
  await write(topic, made)
  // Without this the client does not know yet who leads the partition.
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '150' }] })
  const [{ low, high }] = await admin.fetchTopicOffsets(topic)
  assert.deepStrictEqual([low, high], ['150', `${made.length}`])
  same(made.slice(150), await read(topic, made.length - 150))
}

async function listsDescribesAndDeletesGroups() {
  const topic = `${prefix}-group`
  await create(topic)
  await write(topic, made)
  await read(topic, 100, { group: topic, commit: true })
  assert((await admin.listGroups()).groups.some(g => g.groupId === topic && g.protocolType === 'consumer'), 'not listed')
  const [described] = (await admin.describeGroups([topic])).groups
  assert.deepStrictEqual([described.state, described.members.length], ['Empty', 0])
  const committed = async () => Number((await admin.fetchOffsets({ groupId: topic, topics: [topic] }))[0].partitions[0].offset)
  assert.strictEqual(await committed(), 100)
  await admin.setOffsets({ groupId: topic, topic, partitions: [{ partition: 0, offset: '50' }] })
  assert.strictEqual(await committed(), 50)
  await admin.deleteGroups([topic])
  assert(!(await admin.listGroups()).groups.some(g => g.groupId === topic), 'still listed')
  assert.strictEqual(await committed(), -1)
}

// Each chain's checks follow one another; what needs the topic of a codec comes after it.
const chains = [
  [...codec('none'), ['reads_from_an_offset', readsFromAnOffset]],
  [...codec('gzip'), ['knows_the_watermarks', knowsTheWatermarks]],
  codec('snappy'),
  [...codec('lz4'), ['reads_from_a_time', readsFromATime]],
  [...codec('zstd'), ['reads_with_small_fetches', readsWithSmallFetches]],
  writesWith('writes_with_acks_0', { acks: 0 }),
  writesWith('writes_with_acks_1', { acks: 1 }),
  writesWith('writes_idempotently', { idempotent: true, compression: CompressionTypes.GZIP }),
  [['creates_describes_and_deletes_topics', createsDescribesAndDeletesTopics]],
  [['describes_and_alters_options', describesAndAltersOptions]],
  [['adds_partitions', addsPartitions]],
  [['deletes_records', deletesRecords]],
  [['lists_describes_and_deletes_groups', listsDescribesAndDeletesGroups]],
]

async function play(chain) {
  for (const [name, check] of chain) {
    try {
      await check()
      console.log(`ok ${name}`)
    } catch (error) {
      process.exitCode = 1
      console.log(`FAIL ${name} ${error.name}: ${error.message.split(/\s+/).join(' ').slice(0, 400)}`)
    }
  }
}

admin
  .connect()
  .then(() => Promise.all(chains.map(play)))
  .finally(() => admin.disconnect())
