// A member of a group by kafkajs: see members.py. It knows no static members, and no pattern that finds topics later.
'use strict'

const { Kafka, logLevel } = require('kafkajs')

const [bootstrap, given] = process.argv.slice(2)
const settings = JSON.parse(given)
const topic = settings.topic
// The machine's monotonic clock, as everybody else's.
const say = (event, facts) => console.log(JSON.stringify({ event, at: Number(process.hrtime.bigint()) / 1e9, ...facts }))

const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
const consumer = kafka.consumer({
  groupId: settings.group,
  sessionTimeout: settings.session_ms,
  heartbeatInterval: 500,
  maxWaitTimeInMs: 100,
  rebalanceTimeout: 30_000,
})
let owned = []

function giveUp(event) {
  if (owned.length > 0) say(event, { partitions: owned })
  owned = []
}

// Nothing is read between these two. What was read is committed by then, since this client tells of a rebalance too late for that.
consumer.on(consumer.events.REBALANCING, () => giveUp('revoked'))
consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
  giveUp('lost')
  owned = (payload.memberAssignment[topic] ?? []).slice().sort((a, b) => a - b)
  say('assigned', { partitions: owned })
})
consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || end(payload.error))

async function eachBatch({ batch, heartbeat }) {
  for (const message of batch.messages) say('record', { partition: batch.partition, offset: Number(message.offset) })
  const next = `${BigInt(batch.lastOffset()) + 1n}`
  const committed = () => consumer.commitOffsets([{ topic, partition: batch.partition, offset: next }])
  if (settings.commit === 'async') committed().catch(() => {})
  else if (settings.commit !== 'auto') await committed()
  await heartbeat()
}

let ending = false
async function end(error) {
  if (ending) return
  ending = true
  if (error) say('error', { name: error.type ?? error.name })
  await consumer.disconnect()
  giveUp('revoked')
  say('closed')
  process.exit(0)
}

process.stdin.on('data', () => end()).on('end', () => end())

async function main() {
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ autoCommit: settings.commit === 'auto', autoCommitInterval: 200, eachBatch })
}

main().catch(end)
