using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Runtime.InteropServices;

namespace Natalia.Backup.Host;

/// <summary>
/// Turns Ctrl-C, SIGTERM and SIGHUP into a stop of what runs, and lets it finish its clean-up: a snapshot left behind
/// is worse than a second's wait. However often the signal comes, the process is never torn down in the middle.
/// </summary>
/// <remarks>
/// PowerShell's console handles Ctrl-C itself; here its exit code is remembered. Of the other signals that console
/// knows nothing.
/// </remarks>
internal sealed class StopSignals : IDisposable
{
    // What the console still does when its session is closed: a few lines of code, no waiting.
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(2);

    private static StopSignals? s_current;

    private readonly object _gate = new();
    private readonly bool _isPrompt;
    private readonly PosixSignalRegistration[] _registrations;
    private Runspace? _runspace;
    private int? _exitCode;

    private StopSignals(bool isPrompt)
    {
        _isPrompt = isPrompt;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, OnInterrupt),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnTerminate),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnTerminate),
        ];
    }

    /// <summary>The code to leave with when a signal ended the run, else null.</summary>
    public int? ExitCode
    {
        get
        {
            lock (_gate)
                return _exitCode;
        }
    }

    public static StopSignals Watch(bool isPrompt) => s_current = new StopSignals(isPrompt);

    /// <summary>From here on there is something that may need clean-up.</summary>
    public static void Attach(Runspace runspace)
    {
        if (s_current is not { } signals)
            return;
        lock (signals._gate)
            signals._runspace ??= runspace;
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }

    private void OnInterrupt(PosixSignalContext context)
    {
        context.Cancel = true;
        if (_isPrompt)
            return;
        if (Begin(ExitCodes.Interrupted) is null)
            Environment.Exit(ExitCodes.Interrupted);
    }

    private void OnTerminate(PosixSignalContext context)
    {
        context.Cancel = true;
        bool first = ExitCode is null;
        Runspace? runspace = Begin(ExitCodes.Terminated);
        if (!first)
            return;
        if (runspace is not null)
        {
            // Stops what runs, and returns when its clean-up is done.
            runspace.Close();
            if (!_isPrompt)
                Thread.Sleep(s_lastWords);
        }

        Environment.Exit(ExitCodes.Terminated);
    }

    /// <summary>Remembers the first signal, and says that it was heard.</summary>
    /// <returns>What has to be stopped, or null as long as there is nothing.</returns>
    private Runspace? Begin(int exitCode)
    {
        lock (_gate)
        {
            if (_exitCode is null && _runspace is not null)
                Console.Error.WriteLine("natalia: stopping; waiting for clean-up to finish ...");
            _exitCode ??= exitCode;
            return _runspace;
        }
    }
}

/// <summary>Called by PowerShell in the runspace of its console, which shows that to nobody else.</summary>
public sealed class RunspaceOpened : IModuleAssemblyInitializer
{
    /// <inheritdoc/>
    public void OnImport() => StopSignals.Attach(Runspace.DefaultRunspace);
}
