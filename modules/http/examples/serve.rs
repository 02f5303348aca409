//! Serves one configuration with one worker in the foreground: for trying modules out.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]
use conf::Source;
use engine::Loading;
use http::config::{finish, loader, registry::Registry};
use std::path::{Path, PathBuf};
use std::rc::Rc;

struct Fs;
impl Source for Fs {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        std::fs::read(path)
    }
    fn glob(&self, _: &Path) -> std::io::Result<Vec<PathBuf>> {
        Ok(vec![])
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let get = |k: &str| {
        args.iter()
            .position(|a| a == k)
            .map(|i| args[i + 1].clone())
    };
    let prefix = PathBuf::from(get("-p").unwrap_or(".".into()));
    let file = PathBuf::from(get("-c").unwrap());
    let (tree, mut errors) = conf::load(&file, &prefix, file.parent().unwrap(), &Fs);
    let registry = Rc::new(Registry::new(tidegate_http_modules::MODULES));
    let mut loading = Loading::new(&prefix, file.parent().unwrap(), Rc::new(Fs));
    let http = tree
        .directives
        .iter()
        .find(|d| d.is("http"))
        .expect("http block");
    let level = runtime::log::Level::Info;
    let stderr = engine::log_target::stderr().unwrap();
    let logs = engine::error_log::ErrorLogs::default().with(
        engine::log_target::LogTarget::Stderr(stderr),
        level,
        runtime::log::Format::Text,
    );
    loading
        .shared::<http::core::error_log::OuterErrorLogs>()
        .logs = logs;
    loader::read(http, &mut loading, &registry);
    let generation = finish::finish(&mut loading, &registry);
    errors.append(&mut loading.errors);
    for e in &errors {
        println!("{}", e.nginx_line(&tree));
    }
    let Some(generation) = generation else {
        std::process::exit(1)
    };
    loading
        .shared::<engine::log_target::LogFiles>()
        .open()
        .unwrap();
    for f in loading
        .shared::<http::core::receive::TempFolders>()
        .all
        .iter()
    {
        let _ = std::fs::create_dir_all(&**f);
    }
    let worker = runtime::Worker::new(runtime::WorkerLimits {
        connections: 20000,
        multi_accept: false,
    })
    .unwrap();
    let pools = [(
        b"default".to_vec(),
        Rc::new(runtime::BlockingPool::new("default", 32, 65536)),
    )]
    .into_iter()
    .collect();
    let server = http::worker::HttpWorker::new(Rc::clone(&worker), generation, prefix, pools, None);
    for socket in &server.generation.sockets {
        let listener = sys::socket::Listener::bind(&socket.address, &socket.options).unwrap();
        let (server, socket) = (Rc::clone(&server), Rc::clone(socket));
        worker
            .listen(
                listener,
                false,
                Rc::new(move |accepted| {
                    http::connection::accept::accept(&server, &socket, accepted)
                }),
            )
            .unwrap();
    }
    worker.run();
}
