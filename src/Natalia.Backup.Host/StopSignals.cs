using System.Runtime.InteropServices;

namespace Natalia.Backup.Host;

/// <summary>
/// Turns Ctrl-C and SIGTERM into a stop of what runs, and lets it finish its clean-up: a snapshot left behind is worse than a second's wait.
/// However often the signal comes, the process is never torn down in the middle.
/// </summary>
internal sealed class StopSignals : IDisposable
{
    private readonly Engine _engine;
    private readonly PosixSignalRegistration[] _registrations;

    public StopSignals(Engine engine)
    {
        _engine = engine;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, c => OnSignal(c, ExitCodes.Interrupted)),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => OnSignal(c, ExitCodes.Terminated)),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, c => OnSignal(c, ExitCodes.Terminated)),
        ];
    }

    /// <summary>The code to leave with when a signal ended the run, else null.</summary>
    public int? ExitCode { get; private set; }

    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
    }

    private void OnSignal(PosixSignalContext context, int exitCode)
    {
        context.Cancel = true;

        // At the prompt Ctrl-C ends the command, not the prompt.
        var leave = !_engine.AtPrompt || exitCode != ExitCodes.Interrupted;
        if (leave)
            ExitCode ??= exitCode;
        _engine.Stop(leave);
    }
}
