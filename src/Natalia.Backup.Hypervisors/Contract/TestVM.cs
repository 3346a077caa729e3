using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A test VM on any hypervisor that has <see cref="ITestVMControl"/>: the rules that hold everywhere are written here,
/// once.
/// </summary>
internal sealed class TestVM(ITestVMControl control, IGuestChannel? guests, TestVMInfo info, bool isKept) : ITestVM
{
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(15);
    private bool _isDestroyed;

    public TestVMInfo Info => info;

    public bool IsKept { get; set; } = isKept;

    public Task<IReadOnlyList<CheckResult>> ProveIsolationAsync(CancellationToken cancellationToken) =>
        control.ReadIsolationAsync(info, cancellationToken);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<CheckResult> checks = await ProveIsolationAsync(cancellationToken).ConfigureAwait(false);
        // What could not be looked at was not proved, and neither was that of which nothing was looked at.
        List<CheckResult> open = [.. checks.Where(c => c.Result is not (CheckOutcome.Passed or CheckOutcome.Warning))];
        if (open.Count > 0 || checks.Count == 0)
        {
            string why = open.Count == 0
                ? "nothing of it was read"
                : string.Join("; ", open.Select(c => $"{c.Target}: {c.Actual ?? "unknown"} instead of {c.Expected}"));
            throw new NataliaException(ErrorIds.IsolationNotProven, NataliaErrorKind.Security,
                $"The test VM {info.NativeId} is not started: {why}.", info.NativeId,
                "Destroy it, and find out who changed it.");
        }
        await control.StartTestVMAsync(info, cancellationToken).ConfigureAwait(false);
    }

    public Task<IGuest> OpenGuestAsync(GuestCredential? who, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (guests is null)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"There is no way to run commands in the test VM {info}.", info.NativeId);
        return guests.OpenAsync(info.NativeId, who, timeout, cancellationToken);
    }

    public async Task DestroyAsync(CancellationToken cancellationToken)
    {
        await control.DestroyTestVMAsync(info, cancellationToken).ConfigureAwait(false);
        _isDestroyed = true;
    }

    public async ValueTask DisposeAsync()
    {
        if (IsKept || _isDestroyed) return;
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        await DestroyAsync(limit.Token).ConfigureAwait(false);
    }
}
