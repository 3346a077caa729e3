using Natalia.Backup.Cmdlets.Tests.Mounts;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Cmdlets.Tests.RestoreTests;

public sealed class RestoreTestRunnerTests : IDisposable
{
    private static readonly string[] s_own = ["Restore", "Isolation", "Boot", "Integrity", "AuditLog", "CdrCount"];

    private readonly RestoreTestRoom _room = new();

    public void Dispose() => _room.Dispose();

    [Fact]
    public async Task A_healthy_point_passes_every_step_and_leaves_nothing()
    {
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal((RestoreTestResult.Passed, null), (test.Result, test.Reason));
        Assert.Equal([.. s_own, "Destroyed"], test.Checks.Select(c => c.Name));
        Assert.All(test.Checks, c => Assert.Equal(CheckOutcome.Passed, c.Result));
        Assert.All(test.Checks, c => Assert.True(c.Duration > TimeSpan.Zero, c.Name));
        Assert.All([test.RestoreDuration!.Value, test.BootDuration, test.ChecksDuration],
            d => Assert.True(d > TimeSpan.Zero));
        Assert.True(test.Duration >= test.RestoreDuration + test.BootDuration + test.ChecksDuration);
        Assert.Equal(500_000, test.SizeBytes);
        Assert.True(test.AllocatedBytes > 0);
        Assert.Empty(_room.TestVMs);
        Assert.Empty(_room.Notes);
    }

    [Theory]
    [InlineData("check-integrity", "Integrity")]
    [InlineData("audit verify", "AuditLog")]
    public async Task A_command_that_ends_badly_fails_its_check_and_the_others_are_made(string command, string check)
    {
        _room.Answers[command] = (1, "FAILED: a page does not have its checksum");
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(RestoreTestResult.Failed, test.Result);
        Assert.Equal(check, Assert.Single(test.Checks, c => c.Result == CheckOutcome.Failed).Name);
        Assert.Equal("exit code 1", test.Checks.Single(c => c.Name == check).Actual);
        Assert.Contains("a page does not have its checksum", test.Reason, StringComparison.Ordinal);
        Assert.Equal(6, test.Checks.Count(c => c.Result == CheckOutcome.Passed));
        Assert.Empty(_room.TestVMs);
    }

    [Theory]
    [InlineData(127)]
    [InlineData(126)]
    public async Task A_program_that_is_not_there_proves_nothing(int code)
    {
        _room.Answers["check-integrity"] = (code, "env: 'natalia-cli': No such file or directory");
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(RestoreTestResult.NotTested, test.Result);
        Assert.StartsWith("Integrity: ", test.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("19900", RestoreTestResult.Passed)]
    [InlineData("20100", RestoreTestResult.Passed)]
    [InlineData("19899", RestoreTestResult.Failed)]
    [InlineData("20101", RestoreTestResult.Failed)]
    [InlineData("0", RestoreTestResult.NotTested)]
    [InlineData("-5", RestoreTestResult.NotTested)]
    [InlineData("", RestoreTestResult.NotTested)]
    [InlineData("20000 records", RestoreTestResult.NotTested)]
    [InlineData("20000\n20000", RestoreTestResult.NotTested)]
    public async Task The_count_is_compared_within_half_a_percent(string output, RestoreTestResult result)
    {
        _room.Answers[$"cdr count --day {RestoreTestRoom.Day} --zone UTC"] = (0, output);
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(result, test.Result);
        CheckResult check = test.Checks.Single(c => c.Name == "CdrCount");
        Assert.Equal(("20000", "±0.5 % of 20000"), (check.Expected, check.Tolerance));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(0L)]
    public async Task Without_a_baseline_the_day_before_the_point_is_counted_and_nothing_is_proved(long? baseline)
    {
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync(baseline));

        Assert.Equal(RestoreTestResult.NotTested, test.Result);
        Assert.Equal("20000", test.Checks.Single(c => c.Name == "CdrCount").Actual);
    }

    [Fact]
    public async Task Without_proof_of_isolation_the_vm_is_not_started()
    {
        _room.Site.OnCall = name =>
        {
            if (name == "ReadIsolationAsync") Test().Networks[0] = "lan";
            Assert.NotEqual("StartTestVMAsync", name);
        };
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(RestoreTestResult.Failed, test.Result);
        Assert.Contains("lan instead of nowhere", test.Reason, StringComparison.Ordinal);
        Assert.All(test.Checks.Take(2..6), c => Assert.Equal(CheckOutcome.Skipped, c.Result));
        Assert.Equal(CheckOutcome.Passed, test.Checks[^1].Result);
        Assert.Empty(_room.TestVMs);
    }

    [Fact]
    public async Task An_adapter_that_is_moved_after_the_proof_is_found_at_the_start()
    {
        int readings = 0;
        _room.Site.OnCall = name =>
        {
            if (name == "ReadIsolationAsync" && ++readings == 2) Test().Networks[0] = "lan";
        };
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(CheckOutcome.Failed, test.Checks.Single(c => c.Name == "Isolation").Result);
        Assert.Equal(ErrorIds.IsolationNotProven, test.Checks.Single(c => c.Name == "Boot").ErrorId);
        Assert.Empty(_room.TestVMs);
    }

    [Fact]
    public async Task A_full_disk_is_the_failure_of_the_restore_and_leaves_nothing()
    {
        Fail("WriteAsync", ErrorIds.DestinationFull);
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal((CheckOutcome.Failed, ErrorIds.DestinationFull), (test.Checks[0].Result, test.Checks[0].ErrorId));
        Assert.All(test.Checks.Take(1..6), c => Assert.Equal(CheckOutcome.Skipped, c.Result));
        Assert.Equal(CheckOutcome.Passed, test.Checks[^1].Result);
        Assert.Empty(_room.Notes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_may_remain_of_a_restore_unseen_is_told_and_its_note_stays(bool isStopped)
    {
        using var stop = new CancellationTokenSource();
        _room.Site.OnCall = name =>
        {
            if (name != "BeginAsync") return;
            if (isStopped) stop.Cancel();
            throw new RemainingVMException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                "VM 101 may be there.", "101", "Look at it.");
        };
        RestoreTestOutcome outcome = await _room.RunAsync(await _room.PlanAsync(), stop.Token);

        Assert.Contains("VM 101 may be there.", outcome.Left, StringComparison.Ordinal);
        Assert.Single(_room.Notes);
        if (isStopped) return;
        CheckResult check = outcome.Test!.Checks[^1];
        Assert.Equal(("Destroyed", CheckOutcome.Failed, "101", "may still be there", ErrorIds.TaskNotFinished),
            (check.Name, check.Result, check.Target, check.Actual, check.ErrorId));
    }

    [Fact]
    public async Task A_missing_right_on_the_bench_says_nothing_of_the_point()
    {
        Fail("BeginAsync", ErrorIds.PermissionDenied);
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(RestoreTestResult.NotTested, test.Result);
        Assert.Equal(CheckOutcome.NotEvidenced, test.Checks[0].Result);
    }

    [Fact]
    public async Task A_restore_that_takes_longer_than_it_may_says_nothing_of_the_point_and_how_to_give_it_more()
    {
        _room.Site.OnCall = name =>
        {
            if (name != "WriteAsync") return;
            _room.Clock.Advance(TimeSpan.FromMinutes(240));
            throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                "It was not made within 240 minutes.");
        };
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(RestoreTestResult.NotTested, test.Result);
        Assert.Equal((CheckOutcome.NotEvidenced, ErrorIds.TaskNotFinished),
            (test.Checks[0].Result, test.Checks[0].ErrorId));
        Assert.Contains("minutes. -RestoreTimeoutMinutes gives it more time", test.Reason, StringComparison.Ordinal);
        Assert.Empty(_room.TestVMs);
    }

    [Fact]
    public async Task A_vm_that_cannot_be_switched_on_fails_the_boot()
    {
        Fail("StartTestVMAsync", ErrorIds.TaskFailed);
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal("Boot", Assert.Single(test.Checks, c => c.Result == CheckOutcome.Failed).Name);
        Assert.Empty(_room.TestVMs);
    }

    [Theory]
    [InlineData(9.9, RestoreTestResult.Passed)]
    [InlineData(11, RestoreTestResult.Failed)]
    public async Task A_guest_has_ten_minutes(double minutes, RestoreTestResult result)
    {
        _room.Site.OnOpen = (limit, _) =>
        {
            var after = TimeSpan.FromMinutes(minutes);
            _room.Clock.Advance(after < limit ? after : limit);
            if (after >= limit) throw Error(ErrorIds.GuestNotReachable);
            return Task.CompletedTask;
        };
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(result, test.Result);
        if (result == RestoreTestResult.Failed)
            Assert.Equal("Boot", Assert.Single(test.Checks, c => c.Result == CheckOutcome.Failed).Name);
    }

    [Fact]
    public async Task A_channel_that_keeps_no_limit_is_not_waited_for()
    {
        _room.Site.OnOpen = async (_, token) =>
        {
            Task never = Task.Delay(Timeout.InfiniteTimeSpan, token);
            _room.Clock.Advance(TimeSpan.FromMinutes(12));
            await never;
        };
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(ErrorIds.GuestNotReachable, test.Checks.Single(c => c.Name == "Boot").ErrorId);
        Assert.Empty(_room.TestVMs);
    }

    [Fact]
    public async Task A_command_that_does_not_end_proves_nothing_and_the_next_one_is_run()
    {
        Func<GuestCommand, CancellationToken, Task<GuestCommandResult>> healthy = _room.Site.OnRun!;
        _room.Site.OnRun = async (command, token) =>
        {
            if (command.Arguments[^1] != "check-integrity") return await healthy(command, token);
            Task never = Task.Delay(Timeout.InfiniteTimeSpan, token);
            _room.Clock.Advance(TimeSpan.FromMinutes(12));
            await never;
            throw new InvalidOperationException();
        };
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(RestoreTestResult.NotTested, test.Result);
        Assert.Equal(ErrorIds.GuestCommandTimeout, test.Checks.Single(c => c.Name == "Integrity").ErrorId);
        Assert.Equal(CheckOutcome.Passed, test.Checks.Single(c => c.Name == "AuditLog").Result);
    }

    [Fact]
    public async Task What_a_guest_writes_is_cut_and_made_visible()
    {
        _room.Answers["check-integrity"] = (1, "\u001b[2J\u202egood" + new string('x', 100_000) + "THE END");
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());
        string detail = test.Checks.Single(c => c.Name == "Integrity").Detail!;

        Assert.True(DisplayText.IsPlain(detail));
        Assert.True(detail.Length < 5000);
        Assert.EndsWith("THE END", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_destroyed_is_told_and_the_next_run_destroys_it()
    {
        bool isStubborn = true;
        _room.Site.OnCall = name =>
        {
            if (name == "DestroyTestVMAsync" && isStubborn) throw Error(ErrorIds.TaskFailed);
        };
        RestoreTestOutcome outcome = await _room.RunAsync(await _room.PlanAsync());

        Assert.Equal(RestoreTestResult.Failed, outcome.Test!.Result);
        Assert.Equal("Destroyed", Assert.Single(outcome.Test.Checks, c => c.Result == CheckOutcome.Failed).Name);
        Assert.Contains("may still be on 'bench'", outcome.Left, StringComparison.Ordinal);
        isStubborn = false;
        await _room.SweepAsync();
        Assert.Empty(_room.TestVMs);
        Assert.Empty(_room.Notes);
        Assert.Contains("was destroyed", Assert.Single(_room.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_left_is_destroyed_also_when_the_bench_is_connected_by_another_address()
    {
        await LeaveAsync();
        _room.Address = "memory.example.com";
        await _room.SweepAsync();
        Assert.Empty(_room.TestVMs);
        Assert.Empty(_room.Notes);
        Assert.Contains("was destroyed", Assert.Single(_room.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_note_of_another_address_is_kept_when_nothing_is_found()
    {
        await LeaveAsync();
        foreach (string vm in _room.TestVMs) _room.Site.VMs.Remove(vm);
        _room.Address = "memory.example.com";
        await _room.SweepAsync();
        Assert.Single(_room.Notes);
        _room.Address = "memory";
        await _room.SweepAsync();
        Assert.Empty(_room.Notes);
        Assert.Empty(_room.Warnings);
    }

    [Fact]
    public async Task What_is_not_seen_because_a_host_is_down_is_told_and_destroyed_when_it_is_seen_again()
    {
        await LeaveAsync();
        (string id, MemoryVM vm) = _room.Site.VMs.Single(v => v.Value.Test is not null);
        _room.Site.VMs.Remove(id);
        _room.Site.Unseen.Add("the host 'b'");
        await _room.SweepAsync();
        Assert.Single(_room.Notes);
        Assert.Contains("not known, because not everything can be looked at now: the host 'b'.",
            Assert.Single(_room.Warnings), StringComparison.Ordinal);

        _room.Site.VMs.Add(id, vm);
        await _room.SweepAsync();
        Assert.Empty(_room.TestVMs);
        Assert.Empty(_room.Notes);
    }

    [Fact]
    public async Task A_test_beside_a_host_that_is_down_passes_and_leaves_no_note()
    {
        _room.Site.Unseen.Add("the host 'b'");
        Assert.Equal(RestoreTestResult.Passed, (await _room.TestAsync(await _room.PlanAsync())).Result);
        Assert.Empty(_room.Notes);
    }

    [Fact]
    public async Task A_test_that_could_not_begin_beside_a_host_that_is_down_keeps_its_note_until_all_is_seen()
    {
        _room.Site.Unseen.Add("the host 'b'");
        Fail("BeginAsync", ErrorIds.ServerUnreachable);
        RestoreTestOutcome outcome = await _room.RunAsync(await _room.PlanAsync(), default);

        CheckResult check = outcome.Test!.Checks[^1];
        Assert.Equal(("Destroyed", CheckOutcome.Skipped, "not seen"), (check.Name, check.Result, check.Actual));
        Assert.Contains("looked at now: the host 'b'.", outcome.Left, StringComparison.Ordinal);
        Assert.Single(_room.Notes);
        _room.Site.Unseen.Clear();
        await _room.SweepAsync();
        Assert.Empty(_room.Notes);
    }

    [Fact]
    public async Task A_failed_test_is_kept_where_that_is_asked_for_until_the_appliance_is_tested_again()
    {
        _room.Answers["audit verify"] = (1, "the chain is cut");
        RestoreTestPlan plan = await _room.PlanAsync() with { KeepOnFailure = true };
        RestoreTest test = await _room.TestAsync(plan);

        Assert.True(test.IsKept);
        Assert.Equal(("Destroyed", CheckOutcome.Skipped), (test.Checks[^1].Name, test.Checks[^1].Result));
        Assert.True(_room.Site.VMs[Assert.Single(_room.TestVMs)].IsRunning);
        await _room.SweepAsync("another appliance");
        Assert.Single(_room.TestVMs);
        await _room.SweepAsync(test.ApplianceId);
        Assert.Empty(_room.TestVMs);
    }

    [Fact]
    public async Task A_failed_test_that_cannot_be_noted_as_kept_is_told_and_destroyed()
    {
        _room.Answers["audit verify"] = (1, "the chain is cut");
        _room.OnWrite = note =>
        {
            if (note.Contains("\"kept\":true", StringComparison.Ordinal)) throw new IOException("No space is left.");
        };

        RestoreTest test = await _room.TestAsync(await _room.PlanAsync() with { KeepOnFailure = true });

        Assert.Equal((RestoreTestResult.Failed, false), (test.Result, test.IsKept));
        Assert.Equal(("Destroyed", CheckOutcome.Passed), (test.Checks[^1].Name, test.Checks[^1].Result));
        Assert.Contains("was not kept", test.Checks[^1].Detail, StringComparison.Ordinal);
        Assert.Contains("No space is left.", Assert.Single(_room.Warnings), StringComparison.Ordinal);
        Assert.Empty(_room.TestVMs);
        Assert.Empty(_room.Notes);
    }

    [Fact]
    public async Task A_note_that_is_changed_and_not_cut_to_its_length_is_read_all_the_same()
    {
        _room.Answers["audit verify"] = (1, "the chain is cut");
        _room.Write = (file, note) =>
        {
            file.Position = 0;
            file.Write(note);
            file.Flush();
        };
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync() with { KeepOnFailure = true });

        Assert.True(test.IsKept);
        await _room.SweepAsync(test.ApplianceId);
        Assert.Empty(_room.TestVMs);
        Assert.Empty(_room.Notes);
    }

    [Fact]
    public async Task A_way_into_the_guest_that_cannot_be_closed_leaves_neither_the_vm_nor_the_test_unrecorded()
    {
        _room.Site.OnClose = () => throw new IOException("The pipe is broken.");
        RestoreTestOutcome outcome = await _room.RunAsync(await _room.PlanAsync());

        Assert.Equal(RestoreTestResult.Passed, outcome.Test!.Result);
        Assert.Contains("The pipe is broken.", outcome.Left, StringComparison.Ordinal);
        Assert.Empty(_room.TestVMs);
        Assert.Empty(_room.Notes);
    }

    [Fact]
    public async Task Whatever_the_destruction_fails_with_the_test_is_told_and_its_note_stays()
    {
        _room.Site.OnCall = name =>
        {
            if (name == "DestroyTestVMAsync") throw new InvalidOperationException("Nobody foresaw this.");
        };
        RestoreTestOutcome outcome = await _room.RunAsync(await _room.PlanAsync());

        Assert.Equal("Destroyed", Assert.Single(outcome.Test!.Checks, c => c.Result == CheckOutcome.Failed).Name);
        Assert.Contains("Nobody foresaw this.", outcome.Left, StringComparison.Ordinal);
        Assert.Single(_room.Notes);
    }

    [Theory]
    [InlineData(ErrorIds.StoreUnavailable, RestoreTestResult.NotTested)]
    [InlineData(ErrorIds.OverlayFull, RestoreTestResult.NotTested)]
    [InlineData(ErrorIds.ObjectDamaged, RestoreTestResult.Failed)]
    public async Task A_disk_that_is_served_and_cannot_be_read_fails_the_test_only_where_it_is_damaged(string id,
        RestoreTestResult result)
    {
        using var folder = new TemporaryFolder();
        RestoreTestPlan plan = await _room.PlanAsync();
        plan = plan with { ServedDisks = ["scsi1"], TestBench = new ServingBench(plan.TestBench, folder["disks"]) };
        Func<GuestCommand, CancellationToken, Task<GuestCommandResult>> healthy = _room.Site.OnRun!;
        _room.Site.OnRun = async (command, token) =>
        {
            if (command.Arguments[^1] != "check-integrity") return await healthy(command, token);
            _room.Store.Before = call => call.StartsWith("read ", StringComparison.Ordinal)
                ? throw Error(id)
                : Task.CompletedTask;
            using MountClient client = await MountClient.OpenAsync(folder["disks"], "scsi1", 300_000);
            Assert.NotEqual(0u, client.TryRead(0, 300_000));
            return new GuestCommandResult(1, null, "Input/output error", "", false, TimeSpan.Zero);
        };
        RestoreTest test = await _room.TestAsync(plan);

        Assert.Equal(result, test.Result);
        CheckResult check = test.Checks.Single(c => c.Name == "Integrity");
        Assert.Equal(result == RestoreTestResult.Failed ? CheckOutcome.Failed : CheckOutcome.NotEvidenced,
            check.Result);
        Assert.Contains("As the test said.", check.Detail, StringComparison.Ordinal);
        Assert.Contains("As the test said.", test.Reason, StringComparison.Ordinal);
        if (result == RestoreTestResult.NotTested) Assert.Equal(id, check.ErrorId);
        Assert.Equal(6, test.Checks.Count(c => c.Result == CheckOutcome.Passed));
    }

    [Fact]
    public async Task A_passed_test_is_not_kept()
    {
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync() with { KeepOnFailure = true });

        Assert.False(test.IsKept);
        Assert.Empty(_room.TestVMs);
    }

    [Fact]
    public async Task After_Ctrl_C_the_vm_is_gone()
    {
        using var stop = new CancellationTokenSource();
        _room.Site.OnRun = (_, token) =>
        {
            stop.Cancel();
            token.ThrowIfCancellationRequested();
            throw new InvalidOperationException();
        };
        RestoreTestOutcome outcome = await _room.RunAsync(await _room.PlanAsync(), stop.Token);

        Assert.IsAssignableFrom<OperationCanceledException>(outcome.Failure);
        Assert.Null(outcome.Test);
        Assert.Null(outcome.Left);
        Assert.Empty(_room.TestVMs);
        Assert.Empty(_room.Notes);
    }

    [Fact]
    public async Task Killed_at_any_step_it_leaves_nothing_after_the_next_start()
    {
        int deaths = 0;
        for (int lifetime = 0; ; lifetime++)
        {
            RestoreTestPlan plan = await _room.PlanAsync(lifetime: lifetime);
            try
            {
                RestoreTestOutcome outcome = await _room.RunAsync(plan);
                if (outcome.Test is { Result: RestoreTestResult.Passed }) break;
            }
            catch (IOException)
            {
                // The clean-up died, too.
            }
            deaths++;
            await _room.SweepAsync();
            Assert.True(_room.TestVMs.Count == 0, $"Killed before call {lifetime}, a VM stays.");
            Assert.True(_room.Notes.Length == 0, $"Killed before call {lifetime}, a note stays.");
        }
        Assert.True(deaths > 15, $"{deaths}");
        Assert.Empty(_room.TestVMs);
        Assert.Equal(["original"], _room.Site.VMs.Values.Select(v => v.Name));
    }

    [Fact]
    public async Task A_test_in_another_process_is_not_swept_away()
    {
        Func<GuestCommand, CancellationToken, Task<GuestCommandResult>> healthy = _room.Site.OnRun!;
        _room.Site.OnRun = async (command, token) =>
        {
            await _room.SweepAsync();
            return await healthy(command, token);
        };
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync());

        Assert.Equal(RestoreTestResult.Passed, test.Result);
    }

    [Fact]
    public async Task Two_tests_at_once_are_not_in_each_others_way()
    {
        RestoreTest[] tests = await Task.WhenAll(_room.TestAsync(await _room.PlanAsync()),
            _room.TestAsync(await _room.PlanAsync()));

        Assert.All(tests, t => Assert.Equal(RestoreTestResult.Passed, t.Result));
        Assert.Empty(_room.TestVMs);
    }

    [Fact]
    public async Task Checks_of_ones_own_come_before_the_end_and_see_the_guest()
    {
        RestoreTestPlan plan = await _room.PlanAsync() with
        {
            Checks =
            [
                new OwnCheck("Licence", (subject, _) => Task.FromResult(new CheckResult
                {
                    Name = "",
                    Result = subject.Run("/usr/bin/natalia-cli audit verify").Output == "812 records"
                        && subject.Test.Checks.Count == 6 ? CheckOutcome.Passed : CheckOutcome.Failed,
                })),
                new OwnCheck("Silent", (_, _) => Task.FromResult(new CheckResult
                {
                    Name = "",
                    Result = CheckOutcome.NotEvidenced,
                })),
            ],
        };
        RestoreTest test = await _room.TestAsync(plan);

        Assert.Equal([.. s_own, "Licence", "Silent", "Destroyed"], test.Checks.Select(c => c.Name));
        Assert.Equal(CheckOutcome.Passed, test.Checks[6].Result);
        Assert.Equal(RestoreTestResult.NotTested, test.Result);
    }

    [Fact]
    public async Task A_test_reads_as_it_was_written()
    {
        _room.Answers["audit verify"] = (1, "the chain is cut");
        RestoreTest test = await _room.TestAsync(await _room.PlanAsync() with { SystemImage = "/srv/system.raw" });
        RestoreTest decoded = RestoreTestJson.Decode(RestoreTestJson.Encode(test), test.ApplianceId,
            test.RestorePointId, test.RepositoryId);
        RestoreTest read = decoded with { Repository = test.Repository };

        Assert.Equal(test.Checks, read.Checks);
        Assert.Equal(test with { Checks = [] }, read with { Checks = [] });
    }

    /// <summary>A test whose VM cannot be destroyed: it stays, with its note.</summary>
    private async Task LeaveAsync()
    {
        _room.Site.OnCall = name =>
        {
            if (name == "DestroyTestVMAsync") throw Error(ErrorIds.TaskFailed);
        };
        await _room.RunAsync(await _room.PlanAsync());
        _room.Site.OnCall = null;
        Assert.Single(_room.TestVMs);
        Assert.Single(_room.Notes);
    }

    /// <summary>Serves what a plan wants served, beside a VM that has its own copy.</summary>
    private sealed class ServingBench(ITestBench bench, string socket) : ITestBench
    {
        public async Task<ITestVM> PrepareAsync(RestoreSource from, TestVMRequest request,
            IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        {
            await request.ServedDisks!.ServeAsync(socket, cancellationToken);
            return await bench.PrepareAsync(from, request with { ServedDisks = null }, progress, cancellationToken);
        }

        public Task<IReadOnlyList<ITestVM>> FindAsync(CancellationToken cancellationToken) =>
            bench.FindAsync(cancellationToken);
    }

    private MemoryVM Test() => _room.Site.VMs[_room.TestVMs.Single()];

    private void Fail(string call, string id) => _room.Site.OnCall = name =>
    {
        if (name == call) throw Error(id);
    };

    private static NataliaException Error(string id) => new(id, NataliaErrorKind.InvalidOperation, "As the test said.");
}
