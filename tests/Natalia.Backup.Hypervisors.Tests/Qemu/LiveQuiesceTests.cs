using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu;
using Natalia.Backup.Hypervisors.Qemu.Live;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// A real QEMU whose guest's agent is played: what is said of a frozen state, and what stays where it fails.
/// </summary>
public sealed class LiveQuiesceTests : IDisposable
{
    private readonly LiveQemuFixture _fixture = new(isPersistent: true, agentSocket: "agent.sock");
    private readonly FakeAgent _agent;
    private readonly FakeTimeProvider _clock = new();
    private readonly TellingCalls _calls = new();
    private readonly QemuHypervisor _hypervisor;

    public LiveQuiesceTests()
    {
        _agent = new FakeAgent(_fixture.Machine.Agent!);
        _hypervisor = QemuHypervisor.Open(_fixture.Root, _clock, _calls);
    }

    public void Dispose()
    {
        _hypervisor.Dispose();
        _agent.Dispose();
        _fixture.Dispose();
    }

    [QemuFact]
    public async Task A_guest_is_held_for_one_command_only_and_the_time_is_that_of_its_state()
    {
        DateTime before = _clock.GetUtcNow().UtcDateTime;
        _calls.Deeds["thaw guest"] = () => _clock.Advance(TimeSpan.FromSeconds(10));
        await using IFrozenDisks frozen = await FreezeAsync(Quiescing.Require);
        Assert.Equal((Consistency.FileSystem, null, before),
            (frozen.Consistency, frozen.ConsistencyReason, frozen.TimeUtc));
        Assert.Empty(frozen.Warnings);
        int held = _calls.Made.IndexOf("freeze guest");
        Assert.Equal(["freeze guest", "freeze", "thaw guest"], _calls.Made.Skip(held).Take(3));
        Assert.Contains("add overlays", _calls.Made.Take(held));
        Assert.False(Assert.Single(BackupNote.GetAll(_fixture.Machine)).IsGuestFrozen);
    }

    [QemuTheory]
    // Windows lets go after ten seconds; somebody else does.
    [InlineData("couldn't hold writes: fsfreeze is limited up to 10 seconds", "limited up to 10 seconds")]
    [InlineData(null, "no longer")]
    public async Task A_guest_that_has_let_go_before_is_told_and_no_consistent_point(string? error, string reason)
    {
        _calls.Deeds["freeze"] = () =>
        {
            _agent.Held = 0;
            if (error is not null) _agent.ThawErrors.Enqueue(error);
        };
        await using (IFrozenDisks frozen = await FreezeAsync(Quiescing.Prefer))
        {
            Assert.Equal(Consistency.Crash, frozen.Consistency);
            Assert.Contains(reason, frozen.ConsistencyReason, StringComparison.Ordinal);
            Assert.Empty(frozen.Warnings);
        }
        NataliaException refused = await Assert.ThrowsAsync<NataliaException>(() => FreezeAsync(Quiescing.Require));
        Assert.Equal(ErrorIds.QuiesceFailed, refused.ErrorId);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.Equal((0, 0), _fixture.OurThings);
        Assert.Empty(Notes);
    }

    [QemuFact]
    public async Task A_guest_that_somebody_else_holds_is_not_let_go()
    {
        _agent.Held = 3;
        await using (IFrozenDisks frozen = await FreezeAsync(Quiescing.Prefer))
        {
            Assert.Equal(Consistency.Crash, frozen.Consistency);
            Assert.Contains("frozen state", frozen.ConsistencyReason, StringComparison.Ordinal);
        }
        Assert.Equal(ErrorIds.QuiesceFailed, (await Assert.ThrowsAsync<NataliaException>(
            () => FreezeAsync(Quiescing.Require))).ErrorId);
        Assert.Equal(3, _agent.Held);
        Assert.DoesNotContain("guest-fsfreeze-thaw", _agent.Told);
        Assert.Empty(Notes);
    }

    /// <summary>Also not by who finds what a death left at that moment.</summary>
    [QemuFact]
    public async Task A_guest_that_was_not_asked_to_hold_is_not_told_to_go_on()
    {
        _calls.Failures["make overlays"] = new IOException("No space left on device.");
        _calls.Deeds["make overlays"] = () => Assert.False(Assert.Single(BackupNote.GetAll(_fixture.Machine))
            .IsGuestFrozen);
        _calls.Deeds["freeze guest"] = () => Assert.True(Assert.Single(BackupNote.GetAll(_fixture.Machine))
            .IsGuestFrozen);
        await Assert.ThrowsAsync<IOException>(() => FreezeAsync(Quiescing.Prefer));
        Assert.Empty(_agent.Told);
        Assert.Empty(Notes);

        _calls.Failures.Clear();
        _calls.Failures["note freeze"] = new IOException("No space left on device.");
        await Assert.ThrowsAsync<IOException>(() => FreezeAsync(Quiescing.Prefer));
        Assert.Empty(_agent.Told);
        Assert.Equal((0, 0), _fixture.OurThings);

        _calls.Failures.Clear();
        await using IFrozenDisks frozen = await FreezeAsync(Quiescing.Require);
        Assert.Equal(["guest-fsfreeze-freeze", "guest-fsfreeze-thaw"], _agent.Told);
    }

    [QemuFact]
    public async Task A_guest_that_does_not_go_on_is_said_to_stand_still_until_it_does()
    {
        // Each try takes a minute by the clock.
        _calls.Deeds["thaw guest"] = () => _clock.Advance(TimeSpan.FromMinutes(1));
        _calls.Failures["thaw guest"] = new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout,
            "The agent is silent.");
        await using (IFrozenDisks frozen = await FreezeAsync(Quiescing.Prefer))
            Assert.Contains("may still be frozen: The agent is silent.", Assert.Single(frozen.Warnings),
                StringComparison.Ordinal);
        IImageSource source = _hypervisor.Require<IImageSource>("images");
        Leftover left = Assert.Single(await source.FindLeftoversAsync(_fixture.Vm, default));
        NataliaException still = await Assert.ThrowsAsync<NataliaException>(
            () => source.RemoveLeftoverAsync(left, default));
        Assert.Equal(ErrorIds.GuestNotReachable, still.ErrorId);
        Assert.Contains("may still be frozen", still.Message, StringComparison.Ordinal);
        Assert.Equal(2, _agent.Held);

        _calls.Deeds.Clear();
        _calls.Failures.Clear();
        await source.RemoveLeftoverAsync(Assert.Single(await source.FindLeftoversAsync(_fixture.Vm, default)),
            default);
        Assert.Empty(await source.FindLeftoversAsync(_fixture.Vm, default));
        Assert.Equal((0, 0), (_agent.Held, Notes.Length));
    }

    /// <summary>On a full file system no note can be written, and room is what is needed.</summary>
    [QemuTheory]
    [InlineData("freeze guest")]
    [InlineData("freeze")]
    [InlineData("export")]
    public async Task What_a_failed_freeze_made_goes_also_when_nothing_can_be_noted(string failing)
    {
        _calls.Failures["note thaw"] = new IOException("No space left on device.");
        _calls.Failures[failing] = new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.Timeout, "Gone.");
        NataliaException failure = await Assert.ThrowsAsync<NataliaException>(() => FreezeAsync(Quiescing.Require));
        Assert.Contains("Gone.", failure.Message, StringComparison.Ordinal);
        Assert.Equal((0, 0), _fixture.OurThings);
        Assert.Equal((0, 0), (_agent.Held, Notes.Length));
    }

    [QemuFact]
    public async Task A_thaw_that_cannot_be_noted_is_a_warning_and_the_frozen_state_goes()
    {
        _calls.Failures["note thaw"] = new IOException("No space left on device.");
        await using (IFrozenDisks frozen = await FreezeAsync(Quiescing.Require))
        {
            Assert.Equal(Consistency.FileSystem, frozen.Consistency);
            Assert.Contains("No space left", Assert.Single(frozen.Warnings), StringComparison.Ordinal);
        }
        Assert.Equal((0, 0), _fixture.OurThings);
        Assert.Empty(Notes);
    }

    [QemuFact]
    public async Task What_cannot_be_removed_after_a_failed_freeze_does_not_hide_why_it_failed()
    {
        _calls.Failures["forget"] = new IOException("Read-only file system.");
        _calls.Failures["export"] = new NataliaException(ErrorIds.DiskInUse, NataliaErrorKind.ResourceBusy, "Gone.");
        NataliaException failure = await Assert.ThrowsAsync<NataliaException>(() => FreezeAsync(Quiescing.Prefer));
        Assert.Equal(ErrorIds.DiskInUse, failure.ErrorId);
        Assert.Contains("Gone.", failure.Message, StringComparison.Ordinal);
        Assert.Contains("Read-only file system.", failure.Message, StringComparison.Ordinal);
        Assert.False(Assert.Single(BackupNote.GetAll(_fixture.Machine)).IsGuestFrozen);
    }

    private string[] Notes => Directory.GetFiles(Path.Combine(_fixture.Machine.Folder, ".natalia"), "*.backup.json");

    private async Task<IFrozenDisks> FreezeAsync(Quiescing quiescing) =>
        await _hypervisor.Require<IImageSource>("images").FreezeAsync(_fixture.Vm, new FreezeRequest
        {
            DiskIds = ["data", "system"],
            Quiescing = quiescing,
            RunId = Guid.NewGuid().ToString("N"),
            RepositoryId = new string('1', 32),
            HistoryId = new string('2', 32),
        }, default);

    /// <summary>Tells what is done, does something before, or lets it fail each time.</summary>
    private sealed class TellingCalls : HostCalls
    {
        internal List<string> Made { get; } = [];

        internal Dictionary<string, Action> Deeds { get; } = [];

        internal Dictionary<string, Exception> Failures { get; } = [];

        internal override void Before(string call)
        {
            Made.Add(call);
            if (Deeds.TryGetValue(call, out Action? deed)) deed();
            if (Failures.TryGetValue(call, out Exception? failure)) throw failure;
        }
    }
}
