using System.Text.Json;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>What QEMU's answers mean for a move; the answers are those of QEMU 7.2.</summary>
public sealed class MoveLookTests
{
    private static readonly string s_copies = Job("move0", "running", isReady: false, isPaused: false, "ok"),
        s_ready = Job("move0", "ready", isReady: true, isPaused: false, "ok"),
        s_full = Job("move0", "standby", isReady: true, isPaused: true, "nospace"),
        s_unreadable = Job("move0", "paused", isReady: false, isPaused: true, "failed"),
        s_forgotten = Job("move0", "paused", isReady: false, isPaused: true, "ok"),
        s_over = Job("move0", "concluded", isReady: true, isPaused: false, "ok"),
        s_second = Job("move1", "concluded", isReady: true, isPaused: false, "ok");

    private static string Job(string name, string status, bool isReady, bool isPaused, string request,
        string? error = null) => JsonSerializer.Serialize(new Dictionary<string, object?>
        {
            ["type"] = "mirror",
            ["device"] = name,
            ["status"] = status,
            ["ready"] = isReady,
            ["paused"] = isPaused,
            ["io-status"] = request,
            ["offset"] = 5,
            ["len"] = 10,
            ["error"] = error,
        });

    private static MoveLook Look(string? status, int count, params string[] jobs) =>
        MoveLook.Of([.. Enumerable.Range(0, count).Select(i => $"move{i}")],
            [.. jobs.Select(j => JsonDocument.Parse(j).RootElement)], status);

    [Fact]
    public void A_disk_that_is_copied_is_neither_ready_nor_waited_for()
    {
        MoveLook look = Look("running", 1, s_copies);
        Assert.Equal((false, false, false, (5L, 10L)), (look.IsReady, look.IsOver, look.IsWaiting, look.Bytes));
        Assert.Empty(look.Failures);
    }

    [Fact]
    public void A_ready_job_that_pauses_for_want_of_room_is_not_ready_and_is_let_go_on()
    {
        Assert.Equal(["move0"], Look("running", 1, s_ready).Ready);
        MoveLook full = Look("running", 1, s_full);
        Assert.Equal((false, false, true, true), (full.IsReady, full.IsOver, full.IsWaiting, full.IsOutOfRoom));
        Assert.Equal(["move0"], full.Paused);
        Assert.Empty(full.Ready);
    }

    [Fact]
    public void A_job_that_could_not_read_is_let_go_on()
    {
        MoveLook look = Look("running", 1, s_unreadable);
        Assert.Equal((true, true, false), (look.IsWaiting, look.HasFailedRequest, look.IsOutOfRoom));
        Assert.Equal(["move0"], look.Paused);
        Assert.Empty(look.Failures);
    }

    /// <summary>To let the VM go on makes QEMU forget why its jobs have paused, and they pause still.</summary>
    [Fact]
    public void A_job_that_pauses_without_a_reason_is_let_go_on()
    {
        MoveLook look = Look("running", 1, s_forgotten);
        Assert.Equal(["move0"], look.Paused);
        Assert.False(look.HasFailedRequest);
    }

    [Theory]
    [InlineData("io-error", true)]
    [InlineData("running", false)]
    [InlineData("paused", false)]
    [InlineData(null, false)]
    public void A_vm_that_was_halted_is_let_go_on_whatever_its_jobs_do(string? status, bool isHalted)
    {
        Assert.Equal((isHalted, isHalted), (Look(status, 1, s_copies).IsHalted, Look(status, 1, s_ready).IsWaiting));
        Assert.True(Look(status, 1, s_ready).IsReady);
    }

    [Fact]
    public void It_is_over_when_all_jobs_are()
    {
        Assert.True(Look("running", 2, s_over, s_second).IsOver);
        MoveLook half = Look("running", 2, s_ready, s_second);
        Assert.Equal((true, false), (half.IsReady, half.IsOver));
        Assert.Equal(["move0"], half.Ready);
        Assert.False(Look("running", 2, s_full, s_second).IsReady);
    }

    [Fact]
    public void A_job_that_failed_is_begun_anew_and_one_that_is_gone_is_not()
    {
        MoveLook failed = Look("running", 2,
            Job("move0", "concluded", isReady: false, isPaused: false, "ok", "Input/output error"), s_second);
        Assert.Equal(["move0"], failed.Failures);
        Assert.Equal((false, false, true, true),
            (failed.IsReady, failed.IsOver, failed.IsWaiting, failed.HasFailedRequest));
        Assert.Null(failed.Missing);
        MoveLook gone = Look("running", 2, s_ready);
        Assert.Equal("move1", gone.Missing);
        Assert.Equal((false, false), (gone.IsReady, gone.IsOver));
    }

    [Fact]
    public void Each_thing_is_told_once()
    {
        var told = new List<string>();
        var words = new MoveWords(new Machine { Folder = "/vms/paris", Name = "paris", MonitorSocket = "monitor.sock" },
            told.Add);
        foreach (MoveLook? look in new[] { Look("running", 1, s_full), Look("io-error", 1, s_full), null,
            Look("running", 1, s_unreadable), Look("running", 1, s_full), null, Look("io-error", 1, s_ready) })
            words.TellOf(look);
        Assert.Equal(4, told.Count);
        Assert.Contains("no room in '/vms/paris'", told[0], StringComparison.Ordinal);
        Assert.Contains("is halted", told[1], StringComparison.Ordinal);
        Assert.Contains("does not answer", told[2], StringComparison.Ordinal);
        Assert.Contains("cannot be read from the restore point", told[3], StringComparison.Ordinal);
    }

    /// <summary>A guest that is to be kept sees no error of a store that is away; nobody lets a test's go on.</summary>
    [Fact]
    public void A_vm_that_stays_is_halted_by_a_read_of_a_served_disk_that_fails()
    {
        using var folder = new TemporaryFolder();
        var machine = new Machine
        {
            Folder = folder.Path,
            Id = Guid.NewGuid().ToString(),
            Name = "paris",
            MonitorSocket = "monitor.sock",
            Disks = [new MachineDisk("data", "data.raw", DiskRole.Data, ImageFormat.Raw) { Export = "data" }],
        };
        Assert.Contains("\"rerror\":\"stop\"", Line(machine), StringComparison.Ordinal);
        Assert.DoesNotContain("rerror", Line(machine with
        {
            Test = new TestMark("run", QemuNetworks.None, DateTime.UnixEpoch),
        }), StringComparison.Ordinal);
        Assert.DoesNotContain("rerror", Line(machine with { Disks = [machine.Disks[0] with { Export = null }] }),
            StringComparison.Ordinal);

        static string Line(Machine machine) =>
            string.Join(" ", MachineCommandLine.Build(machine, Accelerator.Emulation, null));
    }
}
