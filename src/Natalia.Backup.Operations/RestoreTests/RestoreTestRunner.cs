using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.BusinessDays;
using Natalia.Backup.Operations.Guests;
using Natalia.Backup.Operations.Mounts;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>
/// Makes one restore test: restores into isolation, proves that, boots, checks, and destroys what it made, whatever
/// happens. Used once.
/// </summary>
/// <param name="plan">What to do.</param>
/// <param name="journal">Where it is noted that it runs.</param>
/// <param name="clock">Measures and limits the steps.</param>
/// <param name="tell">Told in words how far it is, for a progress display.</param>
/// <param name="warn">Told what a person should know.</param>
internal sealed class RestoreTestRunner(RestoreTestPlan plan, TestJournal journal, TimeProvider clock,
    Action<string> tell, Action<string> warn)
{
    /// <summary>Removing a VM with its disks is bounded by nobody's token, and goes on after Ctrl-C.</summary>
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(20);

    /// <summary>How long reading back and looking again may take.</summary>
    private static readonly TimeSpan s_lookLimit = TimeSpan.FromMinutes(5);

    /// <summary>A channel keeps its own limit; this ends the wait for one that does not.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromMinutes(1);

    private readonly string _runId = Guid.NewGuid().ToString("N");
    private readonly List<CheckResult> _checks = [];
    private readonly RestorePoint _point = plan.Point.Point;
    private readonly PointServing? _serving = plan.ServedDisks is null
        ? null
        : new PointServing(plan.Point.OpenAsync, MountWishes.DefaultOverlayLimit, clock, warn);
    private ITestVM? _vm;
    /// <summary>Why something may be there that no search finds; null when nothing is.</summary>
    private RemainingVMException? _remaining;
    private IGuest? _guest;
    /// <summary>Why a disk that is served could not be read or written, as far as it was told.</summary>
    private NataliaException? _trouble;
    private TimeSpan? _restore;
    private TimeSpan _boot, _inside;
    private DateTime _startedUtc;
    private string? _stepFailed, _whyNotKept;
    private CancellationToken _stop;

    /// <summary>Makes the test.</summary>
    /// <param name="progress">Told how far the restore is, or null.</param>
    /// <param name="cancellationToken">Stops it; what it made is destroyed all the same.</param>
    /// <exception cref="NataliaException"><c>DestinationWriteFailed</c>: it could not be noted, and nothing was made.
    /// </exception>
    internal async Task<RestoreTestOutcome> RunAsync(IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        long watch = clock.GetTimestamp();
        _startedUtc = clock.UtcNow();
        _stop = cancellationToken;
        if (_serving is not null) _serving.OnTrouble = Note;
        using TestJournal.Entry entry = journal.Begin(_runId, _point.ApplianceId, plan.Bench);
        Exception? failure = null;
        try
        {
            await RestoreAsync(progress, cancellationToken).ConfigureAwait(false);
            await ProveIsolationAsync(cancellationToken).ConfigureAwait(false);
            await BootAsync(cancellationToken).ConfigureAwait(false);
            long inside = clock.GetTimestamp();
            await CheckInsideAsync(cancellationToken).ConfigureAwait(false);
            if (_guest is not null) _inside = clock.GetElapsedTime(inside);
            // A step that a stop broke may have told it as a failure of its own.
            cancellationToken.ThrowIfCancellationRequested();
        }
        catch (Exception e)
        {
            failure = e;
        }
        string? left = await CloseGuestAsync().ConfigureAwait(false);
        bool isKept = false;
        try
        {
            isKept = failure is null && plan.KeepOnFailure && _vm is not null
                && Conclude(_checks) != RestoreTestResult.Passed && TryKeep(entry);
            if (!isKept) left = await DestroyAsync(entry).ConfigureAwait(false) ?? left;
        }
        finally
        {
            string? served = await EndServingAsync().ConfigureAwait(false);
            left ??= served;
        }
        if (failure is not null) return new RestoreTestOutcome(null, failure, left);
        RestoreTest test = Describe() with { IsKept = isKept, Duration = clock.GetElapsedTime(watch) };
        return new RestoreTestOutcome(test, null, left);
    }

    private async Task RestoreAsync(IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        tell(_serving is null ? "Restoring" : "Making a VM that runs from the repository");
        var request = new TestVMRequest
        {
            IsolatedNetwork = plan.IsolatedNetwork,
            RunId = _runId,
            Timeout = plan.RestoreTimeout,
            ServedDisks = _serving is null ? null : new ServedDisks(plan.ServedDisks!, (socket, stop) =>
                _serving.ServeAsync(plan.ServedDisks!, socket, stop)),
        };
        long watch = clock.GetTimestamp();
        await StepAsync(RestoreTestChecks.Restore, _point.ToString(), async () =>
        {
            try
            {
                _vm = await plan.TestBench.PrepareAsync(plan.Source, request, progress,
                    cancellationToken).ConfigureAwait(false);
            }
            catch (RemainingVMException e)
            {
                _remaining = e;
                throw;
            }
            return Passed($"VM {_vm.Info} on '{plan.Bench.Name}'", DescribeMaking());
        }).ConfigureAwait(false);
        if (_serving is null) _restore = clock.GetElapsedTime(watch);
    }

    private string? DescribeMaking()
    {
        string? system = plan.SystemImage is string image ? $"The system disk was written from '{image}'." : null;
        return _serving is null
            ? system
            : $"Nothing of the point was restored: the VM runs from the repository. {system}".TrimEnd();
    }

    private async Task ProveIsolationAsync(CancellationToken cancellationToken)
    {
        if (Skips(RestoreTestChecks.Isolation)) return;
        tell("Proving the isolation");
        await StepAsync(RestoreTestChecks.Isolation, plan.IsolatedNetwork, async () =>
        {
            IReadOnlyList<CheckResult> read;
            using (Deadline limit = clock.CreateDeadline(s_lookLimit, cancellationToken))
                read = await _vm!.ProveIsolationAsync(limit.Token).ConfigureAwait(false);
            return Sum(read);
        }).ConfigureAwait(false);
    }

    /// <summary>Many readings as one check. Nothing read is nothing proved.</summary>
    private static CheckResult Sum(IReadOnlyList<CheckResult> read)
    {
        List<CheckResult> open = [.. read.Where(c => c.Result is not (CheckOutcome.Passed or CheckOutcome.Warning))];
        string detail = string.Join("; ", (open.Count > 0 ? open : read).Take(20).Select(c =>
            $"{c.Target ?? c.Name}: {c.Actual ?? "unknown"}"
            + (c.Result == CheckOutcome.Passed ? "" : $" instead of {c.Expected ?? "what is wanted"}")
            + (c.Detail is null ? "" : $" ({c.Detail})")));
        return new CheckResult
        {
            Name = "",
            Result = open.Count == 0 && read.Count > 0 ? CheckOutcome.Passed
                : open.Exists(c => c.Result == CheckOutcome.Failed) ? CheckOutcome.Failed
                : CheckOutcome.NotEvidenced,
            Expected = "nothing can leave the VM",
            Actual = read.Count == 0 ? "nothing was read"
                : string.Format(CultureInfo.InvariantCulture, "{0} of {1} readings as they should be",
                    read.Count - open.Count, read.Count),
            Detail = detail.Length == 0 ? null : DisplayText.Clean(detail),
            ErrorId = open.Count == 0 && read.Count > 0 ? null : ErrorIds.IsolationNotProven,
        };
    }

    private async Task BootAsync(CancellationToken cancellationToken)
    {
        if (Skips(RestoreTestChecks.Boot)) return;
        tell("Booting");
        long watch = clock.GetTimestamp();
        await StepAsync(RestoreTestChecks.Boot, _vm!.Info.ToString(), async () =>
        {
            using Deadline limit = clock.CreateDeadline(plan.BootTimeout + s_grace, cancellationToken);
            try
            {
                await _vm.StartAsync(limit.Token).ConfigureAwait(false);
                TimeSpan rest = plan.BootTimeout - clock.GetElapsedTime(watch);
                if (rest <= TimeSpan.Zero) throw Late(null);
                _guest = await _vm.OpenGuestAsync(plan.Credential, rest, limit.Token).ConfigureAwait(false);
                _boot = clock.GetElapsedTime(watch);
                if (_boot > plan.BootTimeout) throw Late(null);
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                throw Late(e);
            }
            return Passed("the guest answers", await MarkAsync(cancellationToken).ConfigureAwait(false)) with
            {
                Expected = $"the guest answers within {Minutes(plan.BootTimeout)}",
            };
        }).ConfigureAwait(false);
        if (_boot == TimeSpan.Zero) _boot = clock.GetElapsedTime(watch);
        // It was proved once and not the second time: that is the isolation's failure.
        if (_checks[^1].ErrorId == ErrorIds.IsolationNotProven)
            _checks[^2] = _checks[^2] with
            {
                Result = CheckOutcome.Failed,
                ErrorId = ErrorIds.IsolationNotProven,
                Detail = _checks[^1].Detail,
            };

        NataliaException Late(Exception? inner) =>
            new(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout,
                $"The guest of the test VM {_vm.Info} did not answer within {Minutes(plan.BootTimeout)}.",
                _vm.Info.NativeId, "Give it more time with -BootTimeoutMinutes, or look at what it does with "
                + "-KeepOnFailure.", inner);
    }

    /// <summary>
    /// Says inside what this is, for programs that look: a hypervisor that has a way of its own has said it at the
    /// start already.
    /// </summary>
    private async Task<string> MarkAsync(CancellationToken cancellationToken)
    {
        const string file = "/run/natalia/restore-test";
        try
        {
            GuestCommandResult result = await _guest!.WriteFileAsync(file, _runId + "\n",
                cancellationToken).ConfigureAwait(false);
            return result.ExitCode == 0
                ? $"Marked inside as a test: {file}."
                : $"The guest could not be marked as a test: {CommandOutput.DescribeEnd(result)}. "
                    + CommandOutput.Describe(result);
        }
        catch (NataliaException e)
        {
            return $"The guest could not be marked as a test: {e.Message}";
        }
    }

    private async Task CheckInsideAsync(CancellationToken cancellationToken)
    {
        await CommandAsync(RestoreTestChecks.Integrity, plan.IntegrityCommand, cancellationToken).ConfigureAwait(false);
        await CommandAsync(RestoreTestChecks.AuditLog, plan.AuditCommand, cancellationToken).ConfigureAwait(false);
        await CountAsync(cancellationToken).ConfigureAwait(false);
        foreach (OwnCheck own in plan.Checks)
        {
            if (Skips(own.Name)) continue;
            tell($"Checking: {own.Name}");
            await StepAsync(own.Name, null, () =>
            {
                var subject = new RestoreTestSubject(Describe(), _point, _guest!, plan.CommandTimeout,
                    cancellationToken);
                return own.RunAsync(subject, cancellationToken);
            }, isInside: true).ConfigureAwait(false);
        }
    }

    private async Task CommandAsync(string name, IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        if (Skips(name)) return;
        tell($"Checking: {name}");
        await StepAsync(name, GuestCommandLine.Describe(command), async () =>
        {
            GuestCommandResult result = await RunAsync(command, cancellationToken).ConfigureAwait(false);
            string wrote = CommandOutput.Describe(result);
            return new CheckResult
            {
                Name = name,
                // 126 and 127 are what a system says of a program that it cannot run: then nothing was checked.
                Result = result.ExitCode switch
                {
                    0 => CheckOutcome.Passed,
                    126 or 127 => CheckOutcome.NotEvidenced,
                    _ => CheckOutcome.Failed,
                },
                Expected = "exit code 0",
                Actual = CommandOutput.DescribeEnd(result),
                Detail = wrote.Length == 0 ? null : wrote,
            };
        }, isInside: true).ConfigureAwait(false);
    }

    private async Task CountAsync(CancellationToken cancellationToken)
    {
        if (Skips(RestoreTestChecks.CdrCount)) return;
        tell($"Checking: {RestoreTestChecks.CdrCount}");
        // The day of the baseline, which was fixed when the point was made; a calendar may have changed since.
        CdrBaseline? baseline = _point.CdrBaseline;
        string day = baseline?.BusinessDay
            ?? BusinessCalendar.Text(plan.Calendar.PreviousBusinessDay(_point.TimeUtc));
        string zone = baseline?.TimeZone ?? plan.Calendar.TimeZoneId;
        await StepAsync(RestoreTestChecks.CdrCount, $"{day} ({zone})", async () =>
        {
            using Deadline limit = clock.CreateDeadline(plan.CommandTimeout + s_grace,
                cancellationToken);
            try
            {
                CdrCounter.Answer answer = await CdrCounter.CountAsync(_guest!, plan.CdrCountCommand, day, zone,
                    plan.CommandTimeout, limit.Token).ConfigureAwait(false);
                return CdrComparison.Judge(baseline, answer, day, zone, plan.Tolerance);
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                throw TooLong(plan.CdrCountCommand, e);
            }
        }, isInside: true).ConfigureAwait(false);
    }

    private async Task<GuestCommandResult> RunAsync(IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        using Deadline limit = clock.CreateDeadline(plan.CommandTimeout + s_grace, cancellationToken);
        try
        {
            return await _guest!.RunAsync(new GuestCommand { Arguments = command, Timeout = plan.CommandTimeout },
                limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw TooLong(command, e);
        }
    }

    private NataliaException TooLong(IReadOnlyList<string> command, Exception inner) =>
        new(ErrorIds.GuestCommandTimeout, NataliaErrorKind.Timeout,
            $"'{GuestCommandLine.Describe(command)}' did not end within {Minutes(plan.CommandTimeout)}.", command[0],
            "Give it more time with -CommandTimeoutMinutes.", inner);

    private async Task<string?> CloseGuestAsync()
    {
        if (_guest is null) return null;
        try
        {
            await _guest.DisposeAsync().ConfigureAwait(false);
            return null;
        }
        // Whatever it is: the VM is still to be destroyed, and the test to be recorded.
        catch (Exception e)
        {
            return $"The way into the test VM {_vm!.Info} could not be closed: {e.Message}";
        }
    }

    private async Task<string?> EndServingAsync()
    {
        if (_serving is null) return null;
        try
        {
            await _serving.DisposeAsync().ConfigureAwait(false);
            return null;
        }
        catch (Exception e)
        {
            return $"The serving of the disks of {_point} could not be ended: {e.Message}";
        }
    }

    /// <summary>Keeps the VM; false when that cannot be noted: one that no note tells of stays for ever.</summary>
    private bool TryKeep(TestJournal.Entry entry)
    {
        try
        {
            entry.Keep();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _whyNotKept = $"The test VM {_vm!.Info} was not kept, although -KeepOnFailure was given, because that "
                + $"could not be noted on this machine: {e.Message}";
            warn(_whyNotKept);
            return false;
        }
        _vm!.IsKept = true;
        _checks.Add(Named(RestoreTestChecks.Destroyed, new CheckResult
        {
            Name = RestoreTestChecks.Destroyed,
            Result = CheckOutcome.Skipped,
            Target = _vm.Info.ToString(),
            Actual = "kept",
            Detail = $"The test VM {_vm.Info} was kept on '{plan.Bench.Name}', isolated, because the test did not pass "
                + "and -KeepOnFailure was given. The next test of the appliance there destroys it.",
        }, default));
        return true;
    }

    /// <summary>Destroys what was made, and looks whether it is gone.</summary>
    /// <returns>What may still be there; null when nothing is.</returns>
    private async Task<string?> DestroyAsync(TestJournal.Entry entry)
    {
        tell("Destroying the test VM");
        long watch = clock.GetTimestamp();
        using Deadline limit = clock.CreateDeadline(s_cleanUpLimit, default);
        CheckResult check;
        try
        {
            if (_vm is not null) await _vm.DestroyAsync(limit.Token).ConfigureAwait(false);
            IReadOnlyList<ITestVM> there = await plan.TestBench.FindAsync(limit.Token).ConfigureAwait(false);
            ITestVM? still = there.FirstOrDefault(v => v.Info.RunId == _runId);
            check = still is not null ? Stays(still.Info.ToString(), "it is still listed", ErrorIds.TaskFailed)
                // Half-made it bears no mark, so that not being listed says nothing.
                : _remaining is { } left ? Stays(left.Target ?? _runId, "", left.ErrorId) with
                {
                    Detail = $"A test VM may still be on '{plan.Bench.Name}': {left.Message} {left.RecommendedAction} "
                        + "The next test there from this machine destroys it if it bears its mark by then.",
                }
                // What was made and answered was destroyed above; of what was not, only a whole look tells.
                : _vm is null && PartialCollection.UnseenOf(there) is { Count: > 0 } unseen ? Unsure(unseen)
                : Passed(_vm is null ? "nothing was made, or it was removed" : "gone", null);
        }
        catch (Exception e)
        {
            check = Stays(_vm?.Info.ToString() ?? _runId, e.Message,
                (e as NataliaException)?.ErrorId ?? ErrorIds.TaskNotFinished);
        }
        _checks.Add(Named(RestoreTestChecks.Destroyed, check with
        {
            Expected = "gone",
            Detail = _whyNotKept is null ? check.Detail : $"{_whyNotKept} {check.Detail}".TrimEnd(),
        }, clock.GetElapsedTime(watch)));
        if (check.Result != CheckOutcome.Passed) return check.Detail;
        entry.Close();
        return null;

        CheckResult Unsure(IReadOnlyList<string> unseen) => new()
        {
            Name = RestoreTestChecks.Destroyed,
            Result = CheckOutcome.Skipped,
            Target = _runId,
            Actual = "not seen",
            Detail = $"Whether a test VM was left on '{plan.Bench.Name}' is not known, because not everything can be "
                + $"looked at now: {PartialCollection.Describe(unseen)}. The next test there from this machine looks "
                + "again.",
        };

        CheckResult Stays(string what, string why, string id) => new()
        {
            Name = RestoreTestChecks.Destroyed,
            Result = CheckOutcome.Failed,
            Target = what,
            Actual = "may still be there",
            Detail = $"The test VM {what} may still be on '{plan.Bench.Name}': {why} The next test there from this "
                + "machine tries again.",
            ErrorId = id,
        };
    }

    /// <summary>
    /// Makes a step, measures it, and turns what it fails with into its verdict. What nobody foresaw, and a stop, end
    /// the test.
    /// </summary>
    private async Task StepAsync(string name, string? target, Func<Task<CheckResult>> step, bool isInside = false)
    {
        long watch = clock.GetTimestamp();
        CheckResult check;
        try
        {
            check = await step().ConfigureAwait(false);
        }
        catch (NataliaException e)
        {
            CheckOutcome outcome = StepFailure.Judge(e);
            // A guest that answered and does not any more leaves the question open.
            if (isInside && e.ErrorId == ErrorIds.GuestNotReachable) outcome = CheckOutcome.NotEvidenced;
            // How much there is to restore, and how fast, says nothing of what it is.
            bool isLate = name == RestoreTestChecks.Restore && e.ErrorId == ErrorIds.TaskNotFinished
                && _serving is null && clock.GetElapsedTime(watch) >= plan.RestoreTimeout;
            if (isLate) outcome = CheckOutcome.NotEvidenced;
            string? cure = isLate
                ? $"{e.RecommendedAction} -RestoreTimeoutMinutes gives it more time; on a test bench of QEMU, "
                    + "-FromRepository tests without restoring."
                : e.RecommendedAction;
            check = new CheckResult
            {
                Name = name,
                Result = outcome,
                Actual = outcome == CheckOutcome.Failed ? "failed" : "could not be made",
                Detail = DisplayText.Clean($"{e.Message} {cure?.Trim()}".TrimEnd()),
                ErrorId = e.ErrorId,
            };
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            check = new CheckResult
            {
                Name = name,
                Result = CheckOutcome.NotEvidenced,
                Actual = "could not be made",
                Detail = $"'{plan.Bench.Name}' did not answer in time.",
                ErrorId = ErrorIds.TaskNotFinished,
            };
        }
        check = BlameServing(check);
        _checks.Add(Named(name, check with { Target = check.Target ?? target }, clock.GetElapsedTime(watch)));
        if (!isInside && check.Result != CheckOutcome.Passed) _stepFailed ??= name;
    }

    /// <summary>
    /// A VM that runs from the repository and cannot read its disk fails as one whose data is damaged. Why it could not
    /// tells which it was.
    /// </summary>
    private CheckResult BlameServing(CheckResult check)
    {
        NataliaException? trouble = Volatile.Read(ref _trouble);
        if (trouble is null || check.Result != CheckOutcome.Failed || check.ErrorId == ErrorIds.IsolationNotProven)
            return check;
        string told = $"A disk of the VM could not be served: {trouble.Message} {trouble.RecommendedAction}".TrimEnd();
        check = check with { Detail = DisplayText.Clean($"{check.Detail} {told}".TrimStart()) };
        return StepFailure.Judge(trouble) == CheckOutcome.Failed
            ? check
            : check with { Result = CheckOutcome.NotEvidenced, ErrorId = trouble.ErrorId };
    }

    /// <summary>Of several troubles the first counts, and damage before all that says nothing of the point.</summary>
    private void Note(NataliaException trouble)
    {
        lock (_checks)
        {
            if (_trouble is null || (StepFailure.Judge(_trouble) != CheckOutcome.Failed
                && StepFailure.Judge(trouble) == CheckOutcome.Failed))
                Volatile.Write(ref _trouble, trouble);
        }
    }

    /// <summary>What cannot be made because a step before it was not: said, and not left out.</summary>
    private bool Skips(string name)
    {
        if (_stepFailed is null) return false;
        _checks.Add(Named(name, new CheckResult
        {
            Name = name,
            Result = CheckOutcome.Skipped,
            Detail = $"Not made, because the step {_stepFailed} did not pass.",
        }, default));
        return true;
    }

    private CheckResult Named(string name, CheckResult check, TimeSpan duration) => check with
    {
        Name = name,
        Duration = duration,
        ApplianceId = _point.ApplianceId,
        RestorePointId = _point.RestorePointId,
        RepositoryId = _point.RepositoryId,
    };

    private static CheckResult Passed(string actual, string? detail) =>
        new() { Name = "", Result = CheckOutcome.Passed, Actual = actual, Detail = detail };

    private static RestoreTestResult Conclude(IReadOnlyList<CheckResult> checks) =>
        checks.Any(c => c.Result == CheckOutcome.Failed) ? RestoreTestResult.Failed
        : checks.All(c => c.Result is CheckOutcome.Passed or CheckOutcome.Warning) ? RestoreTestResult.Passed
        : RestoreTestResult.NotTested;

    private RestoreTest Describe()
    {
        RestoreTestResult result = Conclude(_checks);
        return new RestoreTest
        {
            RestoreTestId = _runId,
            ApplianceId = _point.ApplianceId,
            ApplianceName = _point.ApplianceName,
            RestorePointId = _point.RestorePointId,
            PointTimeUtc = _point.TimeUtc,
            RepositoryId = _point.RepositoryId,
            Repository = _point.Repository,
            Result = result,
            Reason = Reason(result),
            Checks = [.. _checks],
            TestBench = plan.Bench.Name,
            TestBenchKind = plan.Bench.Session.Kind,
            TestVM = _vm?.Info.ToString(),
            SystemImage = plan.SystemImage,
            SizeBytes = plan.Source is RestoreSource.PointImage image
                ? image.Appliance.Disks.Sum(d => d.SizeBytes)
                : _point.SizeBytes,
            AllocatedBytes = _point.Disks.Count == 0 ? null : _point.Disks.Sum(d => d.AllocatedBytes),
            StartedUtc = _startedUtc,
            IsFromRepository = _serving is not null,
            RestoreDuration = _restore,
            BootDuration = _boot,
            ChecksDuration = _inside,
        };
    }

    /// <summary>The first check that decided, in its own words.</summary>
    private string? Reason(RestoreTestResult result)
    {
        if (result == RestoreTestResult.Passed) return null;
        CheckResult first = _checks.First(c => result == RestoreTestResult.Failed
            ? c.Result == CheckOutcome.Failed
            : c.Result is not (CheckOutcome.Passed or CheckOutcome.Warning));
        string what = first.Detail ?? $"{first.Actual ?? "nothing"} instead of {first.Expected ?? "what is wanted"}";
        if (what.Length > 500) what = "…" + what.Substring(what.Length - 500);
        return $"{first.Name}: {what}";
    }

    private static string Minutes(TimeSpan time) =>
        string.Format(CultureInfo.InvariantCulture, "{0:0.##} minutes", time.TotalMinutes);
}
