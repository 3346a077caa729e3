using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Natalia.Backup.Testing;

/// <summary>The runner as a process of its own, with all three streams redirected.</summary>
public sealed partial class RunnerProcess : IDisposable
{
    // A real VM on a busy machine takes minutes.
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(6);
    private readonly Process _process;
    private readonly Task<string> _error;

    static RunnerProcess() => StopIgnoringSignals();

    private RunnerProcess(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _process = Process.Start(start)!;
        _error = _process.StandardError.ReadToEndAsync();
    }

    public sealed record Result(int ExitCode, string Output, string Error)
    {
        public string[] Lines => Output.ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    public static RunnerProcess Start(params string[] arguments) => new(BuildLayout.Runner, arguments);

    /// <summary>Starts another program, such as PowerShell's own.</summary>
    public static RunnerProcess StartProgram(string program, params string[] arguments) => new(program, arguments);

    public static Task<Result> RunAsync(params string[] arguments) => RunProgramAsync(BuildLayout.Runner, arguments);

    /// <summary>Runs another program, such as one that starts the runner in surroundings of its own.</summary>
    public static async Task<Result> RunProgramAsync(string program, params string[] arguments)
    {
        using var runner = new RunnerProcess(program, arguments);
        return await runner.FinishAsync();
    }

    public static async Task<Result> RunWithInputAsync(string input, params string[] arguments)
    {
        using var runner = new RunnerProcess(BuildLayout.Runner, arguments);
        await runner._process.StandardInput.WriteAsync(input);
        return await runner.FinishAsync();
    }

    public async Task<string?> ReadLineAsync() => await _process.StandardOutput.ReadLineAsync().WaitAsync(s_limit);

    public void Interrupt() => Signal(2);

    public void Terminate() => Signal(15);

    public void HangUp() => Signal(1);

    public int Id => _process.Id;

    /// <summary>Stops it where it is: it lives, and does nothing, not even renew its lease.</summary>
    public void Pause() => Signal(19);

    /// <summary>Lets it go on after <see cref="Pause"/>.</summary>
    public void Continue() => Signal(18);

    public bool HasExited => _process.HasExited;

    /// <summary>Ends it as a power cut would, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        Signal(9);
        await _process.WaitForExitAsync().WaitAsync(s_limit);
    }

    public async Task<Result> FinishAsync()
    {
        _process.StandardInput.Close();
        var output = await _process.StandardOutput.ReadToEndAsync().WaitAsync(s_limit);
        var error = await _error.WaitAsync(s_limit);
        await _process.WaitForExitAsync().WaitAsync(s_limit);
        return new Result(_process.ExitCode, output, error);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    /// <summary>
    /// Tests that a shell runs in the background inherit SIGINT as ignored, those under nohup SIGHUP, and would hand it
    /// on to the runner, which then ignores it as well.
    /// </summary>
    private static void StopIgnoringSignals()
    {
        const int HangUp = 1, Interrupt = 2, Terminate = 15;
        if (OperatingSystem.IsWindows())
            return;
        // More than any system's struct; the handler comes first in all of them.
        Span<nint> action = stackalloc nint[64];
        foreach (int number in (int[])[HangUp, Interrupt, Terminate])
        {
            Assert.Equal(0, SignalAction(number, 0, ref action[0]));
            if (action[0] == Ignored)
                SetSignal(number, Default);
        }
    }

    private const nint Default = 0;
    private const nint Ignored = 1;

    [LibraryImport("libc", EntryPoint = "sigaction")]
    private static partial int SignalAction(int number, nint action, ref nint before);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetSignal(int number, nint handler);

    private void Signal(int number) => Assert.Equal(0, Kill(_process.Id, number));

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
