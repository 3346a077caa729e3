using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Output;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>
/// Carries planned tests out, several at once, keeps each with its appliance, and says what came of it. Used once.
/// </summary>
/// <param name="journal">Where it is noted which tests run.</param>
/// <param name="book">Keeps the tests.</param>
/// <param name="output">Takes tests, failures and warnings.</param>
/// <param name="clock">Measures and limits.</param>
internal sealed class RestoreTestRound(TestJournal journal, RestoreTestBook book, IOperationOutput output,
    TimeProvider clock)
{
    private readonly Dictionary<HypervisorConnection, Task> _sweeps = [];
    private int _passed;

    /// <param name="plans">What to test.</param>
    /// <param name="limit">How many tests go on at once, 1 or more.</param>
    /// <param name="isQuiet">True gives out neither tests nor what they failed with.</param>
    /// <param name="cancellationToken">Stops all of them; what they made is destroyed all the same.</param>
    /// <returns>How many passed.</returns>
    internal async Task<int> RunAsync(IReadOnlyList<RestoreTestPlan> plans, int limit, bool isQuiet,
        CancellationToken cancellationToken)
    {
        using var room = new SemaphoreSlim(limit);
        await Task.WhenAll(plans.Select(async plan =>
        {
            await room.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await SweepOnceAsync(plan, plans, cancellationToken).ConfigureAwait(false);
                await RunAsync(plan, isQuiet, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
            {
                output.Fail(e, plan.Point.Point);
            }
            finally
            {
                room.Release();
            }
        })).ConfigureAwait(false);
        return _passed;
    }

    private async Task RunAsync(RestoreTestPlan plan, bool isQuiet, CancellationToken cancellationToken)
    {
        RestorePoint point = plan.Point.Point;
        RestoreTestOutcome outcome;
        using (IActivity activity = output.Begin($"Testing {PointTitle.Of(point)}"))
            outcome = await new RestoreTestRunner(plan, journal, clock, step =>
            {
                output.Tell($"{point}: {step}.");
                activity.Report(new OperationProgress(step, 0, null));
            }, output.Warn).RunAsync(activity, cancellationToken).ConfigureAwait(false);
        // Also after Ctrl-C: what was left is told then of all times.
        if (outcome.Left is not null) output.WarnInAnyCase($"{point}: {outcome.Left}");
        if (outcome.Test is not RestoreTest test)
        {
            cancellationToken.ThrowIfCancellationRequested();
            output.Fail(outcome.Failure!, point);
            return;
        }
        NataliaException? unrecorded = await book.RecordAsync(plan.Point.Repository, point,
            test).ConfigureAwait(false);
        if (test.Result == RestoreTestResult.Passed) Interlocked.Increment(ref _passed);
        if (test.IsKept)
            output.WarnInAnyCase($"{point}: the test VM {test.TestVM} was kept on '{test.TestBench}', isolated. The "
                + "next test of the appliance there destroys it.");
        if (!isQuiet) output.Emit(test);
        if (!isQuiet && test.Result != RestoreTestResult.Passed) output.Fail(NotPassed(test), test);
        if (unrecorded is not null) output.Fail(unrecorded, test);
    }

    /// <summary>Once for each bench, before the first test there.</summary>
    private Task SweepOnceAsync(RestoreTestPlan plan, IReadOnlyList<RestoreTestPlan> plans,
        CancellationToken cancellationToken)
    {
        lock (_sweeps)
        {
            if (!_sweeps.TryGetValue(plan.Bench, out Task? sweep))
                _sweeps[plan.Bench] = sweep = journal.SweepAsync(plan.Bench, plan.TestBench,
                    [.. plans.Where(p => p.Bench == plan.Bench).Select(p => p.Point.Point.ApplianceId)], output.Warn,
                    cancellationToken);
            return sweep;
        }
    }

    private static NataliaException NotPassed(RestoreTest test) => test.Result == RestoreTestResult.Failed
        ? new NataliaException(ErrorIds.RestoreTestFailed, NataliaErrorKind.InvalidData,
            $"The restore test of {test.ApplianceName} ({test.PointTimeUtc:yyyy-MM-dd HH:mm} UTC) failed. "
            + test.Reason, test.RestorePointId,
            "The property Checks of the result tells of each check; -KeepOnFailure keeps the VM for a look.")
        : new NataliaException(ErrorIds.RestoreTestNotEvidenced, NataliaErrorKind.InvalidOperation,
            $"The restore test of {test.ApplianceName} ({test.PointTimeUtc:yyyy-MM-dd HH:mm} UTC) proves nothing: not "
            + $"everything could be checked. {test.Reason}", test.RestorePointId,
            "The property Checks of the result tells what was missing.");
}
