using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>
/// A repository and the simulated host together. What is shown here of Hyper-V is our model of its documentation; the
/// disks are real VHDX chains.
/// </summary>
public sealed class HyperVBackupTests : IDisposable
{
    private readonly HyperVFixture _host = new();
    private readonly RepositoryFixture _repository = new();
    private readonly Random _random = new(15);

    public void Dispose()
    {
        _host.Dispose();
        _repository.Dispose();
    }

    [Fact]
    public async Task A_full_and_increments_restore_bit_for_bit_through_chains_that_others_make_longer()
    {
        using Repository repository = await _repository.CreateAsync();
        var states = new List<(RestorePoint Point, byte[] State)>();
        for (int i = 0; i < 5; i++)
        {
            if (i == 2) _host.MakeForeign();
            if (i > 0) Write();
            byte[] state = _host.Content(_host.DataDisk);
            RestorePoint point = await RunAsync(repository, onFrozen: Write);
            Assert.Equal(i == 0 ? BackupType.Full : BackupType.Incremental, point.Type);
            Assert.Equal(Consistency.FileSystem, point.Consistency);
            states.Add((point, state));
        }
        foreach ((RestorePoint point, byte[] state) in states)
            Assert.Equal(state, await RepositoryFixture.RestoreAsync(repository, point, _host.DataDisk));
        Assert.Equal((0, 1), _host.OurThings);
    }

    [Fact]
    public async Task A_windows_guest_takes_part_with_its_programs()
    {
        _host.Machine.OSName = "Windows Server 2022 Standard";
        using Repository repository = await _repository.CreateAsync();
        Assert.Equal(Consistency.Application, (await RunAsync(repository)).Consistency);
    }

    [Theory]
    [InlineData(Quiescing.Prefer)]
    [InlineData(Quiescing.Require)]
    public async Task A_production_checkpoint_that_fails_in_the_guest_is_crash_consistent_or_nothing(Quiescing wish)
    {
        _host.Host.Faults["CreateSnapshot"] = new SimFault
        {
            Message = "VSS writers failed in the guest.",
            When = a => ((string)a["SnapshotSettings"]!).Contains("<VALUE>1</VALUE>"),
        };
        using Repository repository = await _repository.CreateAsync();
        if (wish == Quiescing.Require)
        {
            NataliaException error = await Assert.ThrowsAsync<NataliaException>(
                () => RunAsync(repository, quiescing: wish));
            Assert.Equal(ErrorIds.QuiesceFailed, error.ErrorId);
            Assert.Contains("VSS writers failed in the guest.", error.Message, StringComparison.Ordinal);
        }
        else
        {
            RestorePoint point = await RunAsync(repository, quiescing: wish);
            Assert.Equal(Consistency.Crash, point.Consistency);
            Assert.Contains("VSS writers failed in the guest.", point.Reason, StringComparison.Ordinal);
        }
        Assert.Empty(_host.Machine.Snapshots);
        Assert.DoesNotContain("natalia-backup", wish == Quiescing.Require ? _host.Machine.Notes : "",
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_vm_that_is_off_is_backed_up_without_a_word()
    {
        _host.Machine.State = 3;
        using Repository repository = await _repository.CreateAsync();
        RestorePoint point = await RunAsync(repository);
        Assert.Equal((Consistency.Crash, (string?)null), (point.Consistency, point.Reason));
    }

    /// <summary>Of 8 MiB the first and the last MiB are looked at, and 16 pieces of 64 KiB.</summary>
    [Theory]
    [InlineData(1 << 20, 4096)]
    [InlineData(8 << 20, (8 << 20) - 3)]
    [InlineData(8 << 20, 5 * ((8 << 20) / 17) / 65536 * 65536 + 100)]
    public async Task A_tracking_that_says_nothing_changed_is_not_believed_when_the_content_is_another(int size,
        int offset)
    {
        _host.Replace(_host.DataDisk, HyperVFixture.Bytes(size, 6));
        using Repository repository = await _repository.CreateAsync();
        await RunAsync(repository);
        Assert.Equal(BackupType.Incremental, (await RunAsync(repository)).Type);
        foreach (SimDisk disk in _host.Machine.Disks.Values) disk.IsTrackingBlind = true;
        _host.Write(_host.DataDisk, offset, [1, 2, 3]);
        RestorePoint point = await RunAsync(repository);
        Assert.Equal(BackupType.Full, point.Type);
        Assert.Contains("its change tracking is faulty", point.Reason, StringComparison.Ordinal);
        Assert.Equal(_host.Content(_host.DataDisk), await RepositoryFixture.RestoreAsync(repository, point,
            _host.DataDisk));
    }

    [Theory]
    [InlineData("reference", "is gone")]
    [InlineData("applied", "set back to a checkpoint")]
    [InlineData("applied and gone", "a checkpoint of a person stood at its last point")]
    [InlineData("applied again", "a checkpoint of a person stood at its last point")]
    [InlineData("disk", "another disk")]
    [InlineData("size", "was resized from 1048576 to 2097152 bytes")]
    [InlineData("refused", "could not tell")]
    [InlineData("nothing", "covers nothing")]
    [InlineData("unclean", "the host did not go down cleanly")]
    [InlineData("untold", "does not tell whether it had gone down cleanly")]
    [InlineData("cut log", "does not tell whether it had gone down cleanly")]
    [InlineData("empty log", "does not tell whether it had gone down cleanly")]
    [InlineData("no system", "does not tell this user its name and since when it is up")]
    [InlineData("moved", "was moved from the host 'HV1' to 'HV2'")]
    public async Task Every_reason_to_doubt_makes_a_full_that_tells_it(string doubt, string reason)
    {
        using Repository repository = await _repository.CreateAsync();
        SimSnapshot? early = doubt is "applied and gone" or "applied again"
            ? _host.Host.Freeze(_host.Machine, "before update", "Microsoft:Hyper-V:Snapshot:Realized", 1)
            : null;
        if (doubt == "applied again") _host.Machine.AppliedSnapshot = early!.Id;
        await RunAsync(repository);
        switch (doubt)
        {
            // The checkpoint that it was set back to is deleted, as people do: nothing tells of it any more.
            case "applied and gone": _host.Machine.Snapshots.Remove(early!); break;
            // The host names the same checkpoint, however often the VM is set back to it.
            case "applied again": break;
            case "reference": _host.Machine.References.Clear(); break;
            case "applied":
                SimSnapshot owners = _host.Host.Freeze(_host.Machine, "before update",
                    "Microsoft:Hyper-V:Snapshot:Realized", 1);
                _host.Machine.AppliedSnapshot = owners.Id;
                break;
            case "disk":
                _host.Replace(_host.DataDisk, HyperVFixture.Bytes(1 << 20, 9));
                break;
            case "size":
                SimDisk old = _host.Machine.Disks[0];
                byte[] grown = [.. old.Content(), .. HyperVFixture.Bytes(1 << 20, 9)];
                _host.Host.Detach(_host.Machine, 0);
                _host.Host.NewDisk(_host.Machine, 0, grown, old.VirtualDiskId);
                break;
            case "unclean":
                _host.Host.BootUtc = _host.Host.BootUtc.AddDays(20);
                _host.Host.UncleanStarts.AddRange([_host.Host.BootUtc.AddDays(-90), _host.Host.BootUtc]);
                break;
            case "untold":
                _host.Host.BootUtc = _host.Host.BootUtc.AddDays(20);
                _host.Host.ShowsEvents = false;
                break;
            case "cut log":
                _host.Host.BootUtc = _host.Host.BootUtc.AddDays(20);
                _host.Host.LogBegins = _host.Host.BootUtc.AddDays(-1);
                break;
            case "empty log":
                _host.Host.BootUtc = _host.Host.BootUtc.AddDays(20);
                _host.Host.ShowsEmptyLog = true;
                break;
            case "no system": _host.Host.ShowsSystem = false; break;
            case "moved": _host.Host.SystemName = "HV2"; break;
            case "refused": _host.Host.Faults["GetVirtualDiskChanges"] = new SimFault { Code = 32775 }; break;
            default: _host.Host.MostProcessed = 0; break;
        }
        Write();
        RestorePoint point = await RunAsync(repository);
        Assert.Equal(BackupType.Full, point.Type);
        Assert.Contains(reason, point.Reason, StringComparison.Ordinal);
        Assert.Equal(_host.Content(_host.DataDisk), await RepositoryFixture.RestoreAsync(repository, point,
            _host.DataDisk));
    }

    [Fact]
    public async Task A_host_that_was_started_anew_after_it_had_gone_down_cleanly_is_believed()
    {
        using Repository repository = await _repository.CreateAsync();
        await RunAsync(repository);
        _host.Host.UncleanStarts.Add(_host.Host.BootUtc);
        _host.Host.BootUtc = _host.Host.BootUtc.AddDays(20);
        Write();
        Assert.Equal(BackupType.Incremental, (await RunAsync(repository)).Type);
    }

    [Fact]
    public async Task A_point_of_which_nobody_knows_in_which_run_of_its_host_it_was_made_is_not_counted_from()
    {
        using Repository repository = await _repository.CreateAsync();
        _host.Host.ShowsSystem = false;
        await RunAsync(repository);
        _host.Host.ShowsSystem = true;
        Write();
        RestorePoint point = await RunAsync(repository);
        Assert.Equal(BackupType.Full, point.Type);
        Assert.Contains("when its last point was made, the host did not tell", point.Reason, StringComparison.Ordinal);
        Write();
        Assert.Equal(BackupType.Incremental, (await RunAsync(repository)).Type);
    }

    /// <summary>One answer of WS-Man holds so much: what is asked for at once becomes less until it fits.</summary>
    [Fact]
    public async Task An_answer_that_is_too_large_is_asked_for_in_smaller_pieces()
    {
        _host.Host.NewDisk(_host.Machine, 2, new byte[160 << 20]);
        using IHypervisor hypervisor = _host.Connect();
        IImageSource source = hypervisor.Require<IImageSource>("images");
        string token;
        await using (IFrozenDisks frozen = await source.FreezeAsync(_host.Vm, How(new string('1', 32)) with
        {
            DiskIds = ["scsi0:2"],
        }, default))
        {
            token = (await frozen.SealAsync(default))["scsi0:2"];
            await frozen.PublishedAsync(default);
        }
        _host.Write("scsi0:2", 150 << 20, [1, 2, 3]);
        _host.Write("scsi0:2", 4096, [1, 2, 3]);
        var asked = new List<ulong>();
        _host.Host.Faults["GetVirtualDiskChanges"] = new SimFault
        {
            Breaks = CimFault.AnswerTooLarge,
            When = a =>
            {
                asked.Add((ulong)a["ByteLength"]!);
                return asked[^1] > 90 << 20;
            },
        };
        await using IFrozenDisks next = await source.FreezeAsync(_host.Vm, How(new string('2', 32)) with
        {
            DiskIds = ["scsi0:2"],
        }, default);
        ChangedExtents changed = await ((IChangeTrackingSource)next.GetDisk("scsi0:2"))
            .GetChangedExtentsAsync(token, default);
        Assert.Equal([new Extent(4096, 4096), new Extent(150 << 20, 4096)], changed.Extents);
        Assert.Equal([160UL << 20, 80UL << 20, 80UL << 20], asked);
    }

    [Fact]
    public async Task Changes_are_asked_for_piece_by_piece_as_far_as_the_host_goes()
    {
        using Repository repository = await _repository.CreateAsync();
        await RunAsync(repository);
        _host.Host.MostProcessed = 100_000;
        for (int i = 0; i < 20; i++) Write();
        RestorePoint point = await RunAsync(repository);
        Assert.Equal(BackupType.Incremental, point.Type);
        Assert.Equal(_host.Content(_host.DataDisk), await RepositoryFixture.RestoreAsync(repository, point,
            _host.DataDisk));
    }

    [Fact]
    public async Task An_answer_that_stays_too_large_makes_a_full()
    {
        using Repository repository = await _repository.CreateAsync();
        await RunAsync(repository);
        _host.Host.Faults["GetVirtualDiskChanges"] = new SimFault { Breaks = CimFault.AnswerTooLarge };
        Write();
        RestorePoint point = await RunAsync(repository);
        Assert.Equal(BackupType.Full, point.Type);
        Assert.Contains("larger than WS-Man lets through", point.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_conversion_that_fails_makes_no_point_and_leaves_nothing()
    {
        using Repository repository = await _repository.CreateAsync();
        await RunAsync(repository);
        Write();
        _host.Host.Faults["ConvertToReferencePoint"] = new SimFault { Message = "Logon failure.", Times = 1 };
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository));
        Assert.Equal(ErrorIds.TaskFailed, error.ErrorId);
        Assert.Contains("Logon failure.", error.Message, StringComparison.Ordinal);
        Assert.Equal((0, 1), _host.OurThings);
        Assert.Equal(BackupType.Incremental, (await RunAsync(repository)).Type);
    }

    [Fact]
    public async Task A_merge_that_does_not_end_is_told_beside_the_good_point()
    {
        using Repository repository = await _repository.CreateAsync();
        _host.Host.MergeTime = TimeSpan.FromDays(3);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository));
        Assert.Equal(ErrorIds.MergeNotFinished, error.ErrorId);
        Assert.Single(await RepositoryFixture.PointsAsync(repository));
        NataliaException next = await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository));
        Assert.Equal(ErrorIds.ApplianceLocked, next.ErrorId);
        Assert.Contains("merged", next.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_owners_checkpoints_stay_as_they_are()
    {
        SimSnapshot owners = _host.Host.Freeze(_host.Machine, "before update", "Microsoft:Hyper-V:Snapshot:Realized",
            1);
        byte[] then = _host.Content(_host.DataDisk);
        using Repository repository = await _repository.CreateAsync();
        for (int i = 0; i < 2; i++)
        {
            Write();
            await RunAsync(repository);
        }
        Assert.Same(owners, Assert.Single(_host.Machine.Snapshots));
        SimFrozen held = owners.Disks[0];
        Assert.Equal(then, held.Disk.Content(held.Disk.Layers.IndexOf(held.Layer)));
    }

    [Fact]
    public async Task A_vm_that_moves_away_between_freeze_and_seal_makes_no_point_and_leaves_what_the_next_run_finds()
    {
        using Repository repository = await _repository.CreateAsync();
        await RunAsync(repository);
        Write();
        await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository,
            onFrozen: () => _host.Host.Machines.Clear()));
        Assert.Single(_host.Machine.Snapshots);
        _host.Host.Machines.Add(_host.Machine);
        Assert.Equal(BackupType.Incremental, (await RunAsync(repository)).Type);
        Assert.Equal((0, 1), _host.OurThings);
    }

    [Theory]
    [InlineData("version", ErrorIds.ApplianceNotSuitable, "version 5.0")]
    [InlineData("replica", ErrorIds.ApplianceNotSuitable, "copy that Hyper-V Replica keeps")]
    [InlineData("resync", ErrorIds.ApplianceNotSuitable, "resynchronization")]
    [InlineData("passthrough", ErrorIds.DiskFormatNotSupported, "pass-through")]
    [InlineData("shared", ErrorIds.DiskFormatNotSupported, "shared with other VMs")]
    [InlineData("set", ErrorIds.DiskFormatNotSupported, "VHD set")]
    [InlineData("failover", ErrorIds.ApplianceNotSuitable, "a failover")]
    public async Task What_cannot_be_backed_up_is_refused_by_name(string what, string id, string text)
    {
        if (what == "version") _host.Machine.Version = "5.0";
        if (what == "replica") _host.Machine.ReplicationMode = 2;
        if (what == "resync") _host.Machine.ReplicationState = 10;
        if (what == "failover") _host.Machine.ReplicationState = 12;
        if (what == "shared") _host.Machine.SharedDisks.Add(0);
        if (what == "set") _host.Machine.Disks[0].Top.Path = @"D:\VMs\shared.vhds";
        if (what == "passthrough")
        {
            _host.Machine.Disks.Remove(0);
            _host.Machine.PassThrough.Add(0);
        }
        using IHypervisor hypervisor = _host.Connect();
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => hypervisor
            .Require<IImageSource>("images").FreezeAsync(_host.Vm, How(new string('a', 32)), default));
        Assert.Equal(id, error.ErrorId);
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stop_tells_the_checkpoint_that_could_not_be_removed()
    {
        using var stop = new CancellationTokenSource();
        _host.Host.Faults["CreateSnapshot"] = new SimFault
        {
            When = _ =>
            {
                stop.Cancel();
                return false;
            },
        };
        _host.Host.Faults["DestroySnapshot"] = new SimFault { Message = "The disk is in use." };
        using IHypervisor hypervisor = _host.Connect();

        NataliaException left = await Assert.ThrowsAsync<NataliaException>(() => hypervisor
            .Require<IImageSource>("images").FreezeAsync(_host.Vm, How(new string('a', 32)), stop.Token));

        Assert.StartsWith("The making of the checkpoint of 'natalia-01' was stopped. Its checkpoint '", left.Message,
            StringComparison.Ordinal);
        Assert.Contains("may still be there", left.Message, StringComparison.Ordinal);
        Assert.Single(_host.Machine.Snapshots);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_checkpoint_that_comes_after_the_run_has_ended_is_the_next_runs_to_remove(bool isLost)
    {
        using Repository repository = await _repository.CreateAsync();
        // The call is on its way, and nobody has heard yet of a job.
        _host.Host.OnCall = what =>
        {
            if (what != "CreateSnapshot") return;
            throw isLost ? new CimFaultException(CimFault.Transport, "The connection broke.")
                : new OperationCanceledException();
        };
        await Assert.ThrowsAnyAsync<Exception>(() => RunAsync(repository));
        _host.Host.OnCall = null;
        string line = Assert.Single(_host.Machine.Notes.Split('\n'),
            l => l.StartsWith("natalia-backup: ", StringComparison.Ordinal));
        string run = Assert.Single(line.Split(' '), p => p.StartsWith("run=", StringComparison.Ordinal))[4..];
        _host.Host.Freeze(_host.Machine, "Natalia.Backup " + run, SimHost.Recovery, 1);

        await RunAsync(repository);

        Assert.Equal((0, 1), _host.OurThings);
        Assert.DoesNotContain(run, _host.Machine.Notes, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_vm_is_described_by_its_settings()
    {
        _host.Machine.PassThrough.Add(5);
        _host.Machine.Notes = "Call the owner";
        using IHypervisor hypervisor = _host.Connect();
        ApplianceDescription vm = Assert.Single(await hypervisor.GetAppliancesAsync(default));
        Assert.Equal(_host.Vm.ApplianceId, vm.ApplianceId);
        Assert.Equal(("natalia-01", 2, 2048L << 20), (vm.Name, vm.ProcessorCount, vm.MemoryBytes));
        Assert.Equal(new ApplianceNetwork("LAN", 12, _host.Machine.Adapters[0].Mac), Assert.Single(vm.Networks));
        Assert.Equal(["scsi0:0", "scsi0:1", "scsi0:5"], vm.Disks.Select(d => d.DiskId));
        Assert.Equal([1 << 20, 585 * 512, null], vm.Disks.Select(d => d.SizeBytes));
        Assert.Equal(("running", "hv1", GuestAgentState.Enabled),
            (vm.State!.Power, vm.State.VMHost, vm.State.GuestAgent));
        Assert.Contains("Call the owner", vm.NativeConfiguration, StringComparison.Ordinal);
        Assert.Contains("Msvm_EthernetSwitchPortVlanSettingData", vm.NativeConfiguration, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, 2)]
    [InlineData(false, 1)]
    public async Task The_inventory_tells_generation_services_and_replication(bool isGen2, int generation)
    {
        _host.Machine.IsGen2 = isGen2;
        _host.Machine.IsVssOn = false;
        using IHypervisor hypervisor = _host.Connect();
        ApplianceState state = Assert.Single(await hypervisor.GetAppliancesAsync(default)).State!;
        Assert.Equal((generation, null), (state.Generation, state.Replication));
        Assert.Equal("Guest Service Interface (off), Heartbeat (on), Key-Value Pair Exchange (on), Shutdown (on), "
            + "Time Synchronization (on), VSS (off)", string.Join(", ", state.IntegrationServices));
        (_host.Machine.ReplicationMode, _host.Machine.ReplicationState, _host.Machine.ReplicationHealth) = (1, 7, 3);
        state = Assert.Single(await hypervisor.GetAppliancesAsync(default)).State!;
        Assert.Equal(new ApplianceReplication("primary", "suspended", "critical"), state.Replication);
    }

    [Theory]
    [InlineData("nothing", MergeState.Merged)]
    [InlineData("checkpoint", MergeState.Merged)]
    [InlineData("merging", MergeState.Merging)]
    [InlineData("off", MergeState.SwitchedOff)]
    [InlineData("left", MergeState.Pending)]
    public async Task The_inventory_tells_whether_disks_are_merged(string what, MergeState expected)
    {
        if (what is "checkpoint" or "left")
            _host.Host.Freeze(_host.Machine, "before update", "Microsoft:Hyper-V:Snapshot:Realized", 1);
        switch (what)
        {
            case "left": _host.Machine.Snapshots.Clear(); break;
            case "merging": _host.Machine.Doing.Add(32772); break;
            case "off": _host.Machine.IsMergingOff = true; break;
        }
        using IHypervisor hypervisor = _host.Connect();
        Assert.Equal(expected, Assert.Single(await hypervisor.GetAppliancesAsync(default)).State!.MergeState);
    }

    [Fact]
    public async Task Merging_that_another_product_left_switched_off_is_switched_on_before_our_checkpoint_goes()
    {
        _host.Machine.IsMergingOff = true;
        using Repository repository = await _repository.CreateAsync();
        using IHypervisor hypervisor = _host.Connect();
        await using (IFrozenDisks frozen = await hypervisor.Require<IImageSource>("images")
            .FreezeAsync(_host.Vm, How(new string('a', 32)), default))
            Assert.EndsWith("It was switched on again.", Assert.Single(frozen.Warnings), StringComparison.Ordinal);
        Assert.False(_host.Machine.IsMergingOff);
        for (int i = 0; i < 3; i++) await RunAsync(repository);
        Assert.All(_host.Machine.Disks.Values, d => Assert.Single(d.Layers));
    }

    [Theory]
    [InlineData("foreign", "another product's checkpoint stands")]
    [InlineData("refused", "It could not be switched on")]
    [InlineData("lies", "is still off")]
    public async Task Merging_that_another_product_may_need_off_or_that_stays_off_is_told(string why, string text)
    {
        _host.Machine.IsMergingOff = true;
        if (why == "foreign") _host.MakeForeign();
        else _host.Host.Faults["ModifyDiskMergeSettings"] = why == "lies" ? new SimFault { Code = 0 }
            : new SimFault { Code = 32775 };
        using IHypervisor hypervisor = _host.Connect();
        await using IFrozenDisks frozen = await hypervisor.Require<IImageSource>("images")
            .FreezeAsync(_host.Vm, How(new string('a', 32)), default);
        Assert.Contains(text, Assert.Single(frozen.Warnings), StringComparison.Ordinal);
        Assert.True(_host.Machine.IsMergingOff);
    }

    /// <summary>The files of the checkpoint, and not those that the running VM writes.</summary>
    [Fact]
    public async Task The_files_of_the_configuration_are_attachments_as_they_were_frozen()
    {
        _host.Machine.HasTpm = true;
        using IHypervisor hypervisor = _host.Connect();
        IAttachmentSource source = hypervisor.Require<IAttachmentSource>("attachments");
        Assert.Equal([("configuration.vmcx", AttachmentKind.Other, 70_000L),
            ("guest-state.vmgs", AttachmentKind.TpmState, 4L << 20)],
            (await source.FindAttachmentsAsync(_host.Vm, default)).Select(a => (a.Name, a.Kind, a.SizeBytes)));
        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor))
        {
            _host.Host.WriteFiles(_host.Machine, [1], [2]);
            IReadOnlyList<ApplianceAttachment> read = await ((IFrozenAttachments)frozen)
                .ReadAttachmentsAsync(default);
            Assert.Equal(HyperVFixture.Bytes(70_000, 3), read[0].Content.ToArray());
            Assert.Equal(HyperVFixture.Bytes(4 << 20, 4), read[1].Content.ToArray());
            Assert.Empty(frozen.Warnings);
        }
        string folder = _host.Host.ToLocal($@"D:\VMs\{_host.Machine.Name}\Virtual Machines");
        using (FileStream large = File.OpenWrite(Path.Combine(folder, _host.Machine.Id + ".vmgs")))
            large.SetLength((64 << 20) + 1);
        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor))
        {
            Assert.Equal("configuration.vmcx",
                Assert.Single(await ((IFrozenAttachments)frozen).ReadAttachmentsAsync(default)).Name);
            Assert.Contains("67108865 bytes", Assert.Single(frozen.Warnings), StringComparison.Ordinal);
        }
        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor))
        {
            Directory.Delete(_host.Host.ToLocal($@"D:\VMs\{_host.Machine.Name}\Snapshots"), recursive: true);
            Assert.Equal(ErrorIds.AttachmentNotRead, (await Assert.ThrowsAsync<NataliaException>(
                () => ((IFrozenAttachments)frozen).ReadAttachmentsAsync(default))).ErrorId);
            Directory.CreateDirectory(_host.Host.ToLocal($@"D:\VMs\{_host.Machine.Name}\Snapshots"));
        }
        File.Delete(Path.Combine(folder, _host.Machine.Id + ".vmcx"));
        Assert.Equal(ErrorIds.AttachmentNotRead, (await Assert.ThrowsAsync<NataliaException>(
            () => source.FindAttachmentsAsync(_host.Vm, default))).ErrorId);
        _host.Machine.HasFiles = false;
        Assert.Empty(await source.FindAttachmentsAsync(_host.Vm, default));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_guests_service_is_switched_on_by_whichever_call_the_host_takes(bool asResource)
    {
        _host.Machine.IsVssOn = false;
        if (asResource) _host.Host.Faults["ModifyGuestServiceSettings"] = new SimFault { Code = 1 };
        using IHypervisor hypervisor = _host.Connect();
        IQuiescingControl control = hypervisor.Require<IQuiescingControl>("quiescing");
        Assert.Equal(new QuiescingService(false, null), await control.EnableQuiescingAsync(_host.Vm, default));
        Assert.True(_host.Machine.IsVssOn);
        _host.DeafenGuest();
        QuiescingService deaf = await control.EnableQuiescingAsync(_host.Vm, default);
        Assert.True(deaf.WasEnabled);
        Assert.Contains("hv_vss_daemon", deaf.Trouble, StringComparison.Ordinal);
    }

    private Task<IFrozenDisks> FreezeAsync(IHypervisor hypervisor) => hypervisor.Require<IImageSource>("images")
        .FreezeAsync(_host.Vm, How(Guid.NewGuid().ToString("N")), default);

    private FreezeRequest How(string runId) => new()
    {
        DiskIds = [_host.DataDisk],
        RunId = runId,
        RepositoryId = new string('b', 32),
        HistoryId = new string('c', 32),
    };

    private void Write()
    {
        byte[] bytes = new byte[_random.Next(1, 20_000)];
        _random.NextBytes(bytes);
        _host.Write(_host.DataDisk, _random.Next((1 << 20) - bytes.Length), bytes);
    }

    /// <summary>A run as the product makes it.</summary>
    private async Task<RestorePoint> RunAsync(Repository repository, Action? onFrozen = null,
        Quiescing quiescing = Quiescing.Prefer)
    {
        using IHypervisor hypervisor = _host.Connect();
        IImageSource source = hypervisor.Require<IImageSource>("images");
        string[] diskIds = [_host.DataDisk, _host.OtherDisk];
        await using PendingBackup pending = await repository.BeginBackupAsync(_host.Vm.ApplianceId, _host.Vm, diskIds,
            default);
        foreach (Leftover found in await source.FindLeftoversAsync(_host.Vm, default))
        {
            if (!found.IsNeeded(pending.KnownTokens.Values)) await source.RemoveLeftoverAsync(found, default);
        }
        await using IFrozenDisks frozen = await source.FreezeAsync(_host.Vm, new FreezeRequest
        {
            DiskIds = diskIds,
            Quiescing = quiescing,
            RunId = pending.RunId,
            RepositoryId = pending.RepositoryId,
            HistoryId = _host.Vm.ApplianceId,
            KnownTokens = pending.KnownTokens,
        }, default);
        onFrozen?.Invoke();
        RestorePoint point = await pending.ExecuteAsync(new BackupRequest
        {
            Appliance = _host.Vm,
            Disks = [.. diskIds.Select(d => new BackupDisk(d, DiskRole.Data, frozen.GetDisk(d)))],
            RequestedType = RequestedBackupType.Auto,
            TimeUtc = frozen.TimeUtc,
            Consistency = frozen.Consistency,
            ConsistencyReason = frozen.ConsistencyReason,
        }, frozen.SealAsync, null, default);
        await frozen.PublishedAsync(default);
        return point;
    }
}
