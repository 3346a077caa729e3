using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// The test bench of every hypervisor that builds VMs and switches them: a test VM is one that was built isolated.
/// </summary>
public sealed class BuilderTestBench : ITestBench
{
    private readonly IHypervisor _hypervisor;
    private readonly IApplianceBuilder _builder;
    private readonly ITestVMControl _control;
    private readonly IGuestChannel? _guests;

    /// <summary>The bench of a hypervisor.</summary>
    /// <param name="hypervisor">The hypervisor.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>: it does not build VMs, or does not switch
    /// them.</exception>
    public BuilderTestBench(IHypervisor hypervisor)
    {
        _hypervisor = hypervisor;
        _builder = hypervisor.Require<IApplianceBuilder>("building of VMs");
        _control = hypervisor.Require<ITestVMControl>("control of test VMs");
        _guests = hypervisor.Find<IGuestChannel>();
    }

    /// <inheritdoc/>
    public async Task<ITestVM> PrepareAsync(
        RestoreSource from, TestVMRequest request, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        if (from is not RestoreSource.PointImage image)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The {_hypervisor.Kind} hypervisor '{_hypervisor.Location}' has no storage that holds the restore "
                + $"point {from.Point}.",
                from.Point.RestorePointId);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stop.CancelAfter(request.Timeout);
        var how = new BuildRequest
        {
            Name = request.Name,
            BuildId = request.RunId,
            Placement = request.Placement,
            MemoryBytes = request.MemoryBytes,
            ServedDisks = request.ServedDisks,
            Isolation = new Isolation(request.IsolatedNetwork, request.RunId),
            Attachments = _hypervisor.FindTaken(image),
        };
        try
        {
            ApplianceDescription made = await _builder.BuildAsync(image, how, progress,
                stop.Token).ConfigureAwait(false);
            return await TakeAsync(made, request, stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
            when (stop.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                $"The test VM of the restore point {from.Point} was not made within {request.Timeout.TotalMinutes:0} "
                + "minutes. What there was of it is removed.",
                from.Point.RestorePointId, innerException: e);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ITestVM>> FindAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<TestVMInfo> there = await _control.GetTestVMsAsync(cancellationToken).ConfigureAwait(false);
        return PartialCollection.Of<ITestVM>(
            [.. there.Select(i => new TestVM(_control, _guests, i, isKept: true))], PartialCollection.UnseenOf(there));
    }

    /// <summary>
    /// The VM in the caller's hands, as its own mark tells. One without this test's mark would never be found again,
    /// and is not handed out.
    /// </summary>
    private async Task<ITestVM> TakeAsync(ApplianceDescription made, TestVMRequest request,
        CancellationToken cancellationToken)
    {
        var wanted = new TestVMInfo
        {
            NativeId = made.NativeId!,
            Name = made.Name,
            RunId = request.RunId,
            IsolatedNetwork = request.IsolatedNetwork,
        };
        try
        {
            IReadOnlyList<TestVMInfo> there = await _control.GetTestVMsAsync(cancellationToken).ConfigureAwait(false);
            TestVMInfo? info = there.FirstOrDefault(v => v.NativeId == made.NativeId && v.RunId == request.RunId);
            return new TestVM(_control, _guests, info ?? throw Unmarked(made), isKept: false);
        }
        catch (Exception failure)
        {
            if (await FailedTestVM.DestroyAsync(_control, wanted, failure).ConfigureAwait(false)
                is NataliaException left)
                throw left;
            throw;
        }
    }

    private static NataliaException Unmarked(ApplianceDescription made) =>
        new(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
        $"The VM {made.NativeId} ('{made.Name}') was built for a test, but is not listed as a test VM.", made.NativeId);
}
