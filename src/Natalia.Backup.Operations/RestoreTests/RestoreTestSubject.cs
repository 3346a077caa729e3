using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Guests;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>
/// What a user's own check receives: the test so far, and a way into the running test VM. Valid while the check runs.
/// </summary>
public sealed class RestoreTestSubject
{
    private readonly IGuest _guest;
    private readonly TimeSpan _timeout;
    private readonly CancellationToken _stop;

    internal RestoreTestSubject(RestoreTest test, RestorePoint point, IGuest guest, TimeSpan timeout,
        CancellationToken stop) =>
        (Test, RestorePoint, _guest, _timeout, _stop) = (test, point, guest, timeout, stop);

    /// <summary>The test so far, with the checks that were made.</summary>
    public RestoreTest Test { get; }

    /// <summary>The restore point that is tested.</summary>
    public RestorePoint RestorePoint { get; }

    /// <summary>The name of the appliance.</summary>
    public string ApplianceName => Test.ApplianceName;

    /// <summary>Runs a program in the guest, without a shell, and waits for its end.</summary>
    /// <param name="command">The program with its full path and its arguments; or one text that is split at blanks.
    /// </param>
    /// <returns>Exit code and output, as the guest gave them.</returns>
    /// <exception cref="NataliaException"><c>GuestCommandInvalid</c>, <c>GuestCommandTimeout</c>,
    /// <c>GuestNotReachable</c>.</exception>
    public GuestCommandResult Run(params string[] command)
    {
        var what = new GuestCommand { Arguments = GuestCommandLine.Parse(command, "Check"), Timeout = _timeout };
        // On the pool: the caller's thread is the pipeline's, and nothing of the channel may wait for it.
        return Task.Run(() => _guest.RunAsync(what, _stop), _stop).GetAwaiter().GetResult();
    }

    /// <summary>Reads a small text file in the guest.</summary>
    /// <param name="path">Its full path there.</param>
    /// <returns>Its text, as the guest gave it.</returns>
    /// <exception cref="NataliaException"><c>GuestCommandFailed</c>: it cannot be read, or is longer than 1 MiB;
    /// <c>GuestCommandTimeout</c>, <c>GuestNotReachable</c>.</exception>
    public string ReadFile(string path) =>
        Task.Run(() => _guest.ReadFileAsync(path, _stop), _stop).GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override string ToString() => Test.ToString();
}
