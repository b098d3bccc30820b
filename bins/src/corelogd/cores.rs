//! The cores: one pinned executor each, with its node and its listeners; how they begin, and how they end together.
//!
//! The end has three steps, each taken by all cores before any takes the next, because a core's connections may need every
//! other core until they are drained: drain connections, stop shards, leave.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    os::fd::AsFd,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use engine::{
    base::{CoreId, NodeId},
    bus::{self, Endpoint as BusEndpoint},
    io::{Clock, Device, Signal, lock::DirectoryLock, pump::wait_readable},
    shard::{Shard, ShardSeed},
};
use glommio::{LocalExecutorBuilder, Placement, net::TcpListener};
use net::{
    admin::{About, Admin},
    api::{Api, Broker, FETCH_SESSION_PARTITION_BYTES, Loggers, OffsetsTopic, SessionLimits},
    conn::{Memory, Shared},
    node::{Node, Stopped, parcel::Parcel, rounds::NO_PREEMPTION, steps::Task},
    server::{Server, ServerConfig, bind, observe_memory},
};

use super::{Refusal, endpoints::Endpoint, identity::Identity, settings::Settings, start::die};

/// Messages between two cores that wait to be taken; a full ring holds connections back.
const BUS_MESSAGES: usize = 1024;
/// Fetch sessions take at most this part of a core's memory (one divided by it).
const FETCH_SESSION_MEMORY_DIVISOR: u64 = 32;
/// glommio's registered buffers, which nothing here uses: its smallest size.
const GLOMMIO_BYTES: usize = 64 << 10;

/// What the cores tell each other about beginning and ending.
#[derive(Clone)]
pub struct Crew(Arc<Steps>);

struct Steps {
    /// Raised for each core when a step may be complete.
    signals: Vec<Signal>,
    /// 1 once the broker shall stop.
    stop: AtomicUsize,
    drained: AtomicUsize,
    stopped: AtomicUsize,
}

#[derive(Clone, Copy)]
enum Step {
    Stop,
    Drained,
    Stopped,
}

impl Crew {
    pub fn new(cores: usize) -> Result<Crew, Refusal> {
        let signals = (0..cores).map(|_| Signal::new()).collect::<io::Result<Vec<_>>>();
        let signals = signals.map_err(|error| Refusal::one(format!("no eventfd for a core: {error}")))?;
        Ok(Crew(Arc::new(Steps {
            signals,
            stop: AtomicUsize::new(0),
            drained: AtomicUsize::new(0),
            stopped: AtomicUsize::new(0),
        })))
    }

    /// Stops the broker, from any thread.
    pub fn stop(&self) {
        self.take(Step::Stop);
    }

    fn counter(&self, step: Step) -> (&AtomicUsize, usize) {
        let cores = self.0.signals.len();
        match step {
            Step::Stop => (&self.0.stop, 1),
            Step::Drained => (&self.0.drained, cores),
            Step::Stopped => (&self.0.stopped, cores),
        }
    }

    fn take(&self, step: Step) {
        self.counter(step).0.fetch_add(1, Ordering::SeqCst);
        self.0.signals.iter().for_each(Signal::raise);
    }

    /// Waits until the step is taken by all.
    async fn wait(&self, core: usize, step: Step) -> io::Result<()> {
        let (counter, all) = self.counter(step);
        let signal = &self.0.signals[core];
        loop {
            signal.clear();
            if counter.load(Ordering::SeqCst) >= all {
                return Ok(());
            }
            wait_readable(signal.as_fd()).await?;
        }
    }
}

/// What the cores begin with.
pub struct Start {
    pub settings: Settings,
    pub identity: Identity,
    pub loggers: Arc<dyn Loggers>,
    pub seeds: Vec<ShardSeed>,
    pub clock: Clock,
    pub lock: DirectoryLock,
    pub crew: Crew,
}

/// One listener, on every core.
#[derive(Clone)]
struct Told {
    name: String,
    address: SocketAddr,
    broker: Broker,
}

/// The same for every core.
struct Plan {
    settings: Settings,
    clock: Clock,
    lock: DirectoryLock,
    crew: Crew,
    /// Where to listen, with ports; and what clients are told.
    endpoints: Vec<Told>,
    about: About,
}

/// Runs all cores until the broker has stopped.
pub fn run(start: Start) -> Result<(), Refusal> {
    let Start { settings, identity, loggers, seeds, clock, lock, crew } = start;
    let endpoints =
        settings.endpoints.iter().map(|endpoint| with_port(endpoint, &settings, &identity, &loggers));
    let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
    let cores = u16::try_from(seeds.len()).unwrap_or(u16::MAX);
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        node: identity.node.to_string(),
        cluster_id: identity.cluster_id.clone(),
        cores,
    };
    let plan = Arc::new(Plan { settings, clock, lock, crew, endpoints, about });
    let ends = bus::mesh(cores, BUS_MESSAGES)
        .map_err(|error| Refusal::one(format!("the bus between the cores cannot be made: {error}")))?;
    let (told, ready) = mpsc::channel();
    let mut threads = Vec::new();
    for ((seed, bus), cpu) in seeds.into_iter().zip(ends).zip(plan.settings.cpus.clone()) {
        let (plan, told) = (plan.clone(), told.clone());
        let thread = LocalExecutorBuilder::new(Placement::Fixed(cpu))
            .name("core")
            .spin_before_park(plan.settings.spin)
            .preempt_timer(NO_PREEMPTION)
            .io_memory(GLOMMIO_BYTES)
            .spawn(move || serve(plan, seed, bus, told));
        threads.push(
            thread.map_err(|error| Refusal::one(format!("the core on CPU {cpu} does not start: {error}")))?,
        );
    }
    drop(told);
    let mut refused = Vec::new();
    for _ in 0..threads.len() {
        match ready.recv() {
            Ok(Ok(())) => {}
            Ok(Err(sentence)) => refused.push(sentence),
            Err(_) => refused.push("a core ended before it was ready".to_owned()),
        }
    }
    if !refused.is_empty() {
        refused.dedup();
        return Err(Refusal(refused));
    }
    for Told { address, broker, .. } in &plan.endpoints {
        tracing::info!("listening on {address}, advertised as {}:{}", broker.host.as_str(), broker.port);
    }
    for thread in threads {
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(sentence)) => return Err(Refusal::one(sentence)),
            Err(error) => return Err(Refusal::one(format!("a core ended with {error}"))),
        }
    }
    Ok(())
}

/// Port 0 becomes a free one here, so that all cores listen on the same.
fn with_port(
    endpoint: &Endpoint,
    settings: &Settings,
    identity: &Identity,
    loggers: &Arc<dyn Loggers>,
) -> Result<Told, Refusal> {
    let mut address = endpoint.address;
    if address.port() == 0 {
        let free = std::net::TcpListener::bind(address).and_then(|listener| listener.local_addr());
        address = free.map_err(|error| Refusal::one(format!("{address}: {error}")))?;
    }
    let config = &settings.config;
    let port = if endpoint.advertised_port == 0 { address.port() } else { endpoint.advertised_port };
    let broker = Broker {
        cluster_id: identity.cluster_id.as_str().into(),
        node: NodeId(identity.node.0),
        host: endpoint.advertised_host.as_str().into(),
        port,
        rack: config.rack.as_deref().map(Into::into),
        auto_create_topics: config.auto_create_topics,
        delete_topics: config.delete_topics,
        fetch_bytes_max: u32::try_from(config.fetch_bytes_max).unwrap_or(u32::MAX),
        fetch_sessions: fetch_sessions(settings),
        described_partitions_max: config.described_partitions_max,
        telemetry_bytes_max: settings.takes_telemetry.then_some(config.telemetry_bytes_max),
        data_dir: data_dir(settings).into(),
        offsets_topic: OffsetsTopic {
            partitions: config.offsets_topic_partitions,
            replication_factor: config.offsets_topic_replication_factor,
            segment_bytes: config.offsets_topic_segment_bytes,
        },
        options: Arc::new(options(settings, identity)),
        loggers: loggers.clone(),
    };
    Ok(Told { name: endpoint.name.clone(), address, broker })
}

fn data_dir(settings: &Settings) -> String {
    let path = std::path::absolute(&settings.data_dir);
    path.unwrap_or_else(|_| settings.data_dir.clone()).to_string_lossy().into_owned()
}

/// What the broker runs with, for those who ask: what was given as options, and what flags and files say instead.
fn options(settings: &Settings, identity: &Identity) -> engine::config::Overrides {
    let mut options = settings.options.clone();
    // Kafka tells of both names whichever was given.
    for name in ["node.id", "broker.id"] {
        options.entry(name.to_owned()).or_insert_with(|| identity.node.to_string());
    }
    if settings.config.data_dirs.first().is_none_or(|given| *settings.data_dir != **given) {
        options.insert("log.dirs".to_owned(), data_dir(settings));
    }
    options
}

/// What one core's sessions on one listener may hold.
fn fetch_sessions(settings: &Settings) -> SessionLimits {
    let listeners = settings.endpoints.len().max(1);
    let memory = settings.memory_per_core / FETCH_SESSION_MEMORY_DIVISOR / listeners as u64;
    SessionLimits {
        sessions: settings.config.fetch_sessions_max.div_ceil(settings.cpus.len().max(1) * listeners),
        partitions: usize::try_from(memory).unwrap_or(usize::MAX) / FETCH_SESSION_PARTITION_BYTES,
    }
}

/// One core's life.
async fn serve(
    plan: Arc<Plan>,
    seed: ShardSeed,
    bus: BusEndpoint<Parcel>,
    told: mpsc::Sender<Result<(), String>>,
) -> Result<(), String> {
    let core = seed.config.core;
    let Begun { node, listeners, admin } = match begin(&plan, seed, bus) {
        Ok(begun) => begun,
        Err(sentence) => {
            let _ = told.send(Err(sentence.clone()));
            return Err(sentence);
        }
    };
    let turning = node.clone().run();
    let turns = glommio::spawn_local(node.timed(Task::Turn, async {
        match turning.await {
            Stopped::Clean => {}
            // The other cores may wait for this one forever: nothing is left to be drained.
            Stopped::Failed(sentence) => die(&sentence),
        }
    }));
    let memory = Memory::of(plan.settings.memory_per_core);
    let shared = Rc::new(Shared::new(&memory));
    observe_memory(&node, shared.clone());
    let mut servers = Vec::new();
    let mut tasks = Vec::new();
    for (listener, Told { name, broker, .. }) in listeners {
        let config = ServerConfig {
            listener: name,
            request_bytes_max: plan.settings.config.request_bytes_max,
            idle_ms_max: plan.settings.config.connection_idle_ms_max,
            lent_bytes_min: plan.settings.lent_bytes_min,
        };
        let server = Server::new(Api::new(node.clone(), broker, memory.clone()), config, shared.clone());
        tasks.push(glommio::spawn_local(node.timed(Task::Accept, server.clone().accept(listener))));
        tasks.push(glommio::spawn_local(node.timed(Task::Sweep, server.clone().sweep())));
        servers.push(server);
    }
    if let Some(listener) = admin {
        let admin = Admin::new(node.clone(), plan.about.clone());
        tasks.push(glommio::spawn_local(node.timed(Task::Operator, admin.accept(listener))));
    }
    let _ = told.send(Ok(()));
    end(&plan.crew, core, tasks, &servers, &node, turns)
        .await
        .map_err(|error| format!("core {core}: {error}"))
}

struct Begun {
    node: Rc<Node>,
    listeners: Vec<(TcpListener, Told)>,
    /// On core 0.
    admin: Option<TcpListener>,
}

fn begin(plan: &Plan, seed: ShardSeed, bus: BusEndpoint<Parcel>) -> Result<Begun, String> {
    let core = seed.config.core;
    let lock = Some(plan.lock.as_fd());
    let device = Device::open(&plan.settings.ring, &plan.settings.data_dir, lock)
        .map_err(|error| format!("core {core} cannot open its devices: {error}"))?;
    let mut listeners = Vec::new();
    let listen = |address| bind(address).map_err(|error| format!("cannot listen on {address}: {error}"));
    for told in &plan.endpoints {
        listeners.push((listen(told.address)?, told.clone()));
    }
    let admin = plan.settings.admin.filter(|_| core == CoreId(0)).map(listen).transpose()?;
    if let Some(address) = admin.as_ref().and_then(|admin| admin.local_addr().ok()) {
        tracing::info!("metrics at http://{address}/metrics");
    }
    let node = Node::new(Shard::new(seed), device, bus, plan.clock);
    Ok(Begun { node, listeners, admin })
}

async fn end(
    crew: &Crew,
    core: CoreId,
    tasks: Vec<glommio::Task<()>>,
    servers: &[Rc<Server>],
    node: &Rc<Node>,
    turns: impl Future<Output = ()>,
) -> io::Result<()> {
    let core = usize::from(core.0);
    crew.wait(core, Step::Stop).await?;
    for task in tasks {
        task.cancel().await;
    }
    node.resign_groups();
    for server in servers {
        server.drain().await;
    }
    crew.take(Step::Drained);
    crew.wait(core, Step::Drained).await?;
    node.stop();
    turns.await;
    crew.take(Step::Stopped);
    crew.wait(core, Step::Stopped).await
}
