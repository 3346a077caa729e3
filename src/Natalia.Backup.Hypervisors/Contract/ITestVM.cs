using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// An isolated VM in somebody's hands. Disposing it destroys it, whatever has happened to it and to anybody's token;
/// when that fails it throws, for the VM is still there then.
/// </summary>
public interface ITestVM : IAsyncDisposable
{
    /// <summary>What its mark tells.</summary>
    TestVMInfo Info { get; }

    /// <summary>
    /// True lets the VM stay when the handle is disposed, as for somebody who wants to look at a failed test. It keeps
    /// its mark, so it is found again.
    /// </summary>
    bool IsKept { get; set; }

    /// <summary>
    /// Reads back, from the hypervisor, everything through which something could leave the VM: one check each. Only
    /// when all are Passed or Warning is it isolated.
    /// </summary>
    Task<IReadOnlyList<CheckResult>> ProveIsolationAsync(CancellationToken cancellationToken);

    /// <summary>Starts the VM after proving its isolation.</summary>
    /// <param name="cancellationToken">Stops the wait.</param>
    /// <exception cref="NataliaException"><c>IsolationNotProven</c>: it was not started.</exception>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Waits until the guest takes commands.</summary>
    /// <param name="who">Who the commands run as, where the channel asks for that; null where it needs nobody, as a
    /// guest agent.</param>
    /// <param name="timeout">How long at most.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>GuestNotReachable</c>.</exception>
    Task<IGuest> OpenGuestAsync(GuestCredential? who, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Stops the VM and destroys it with its disks, kept or not. One that is gone already is fine.</summary>
    /// <param name="cancellationToken">Bounds the clean-up.</param>
    /// <exception cref="NataliaException"><c>NotATestAppliance</c>: what has its id now does not carry this test's
    /// mark, and was left alone.</exception>
    Task DestroyAsync(CancellationToken cancellationToken);
}
