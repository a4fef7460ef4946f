fn main() -> std::process::ExitCode {
    ctwa::cli::main()
}
