using System.Management.Automation;
using System.Net;
using System.Security;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Cmdlets.Tests.Reports;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Mounts;

namespace Natalia.Backup.Cmdlets.Tests.Mounts;

/// <summary>Nobody reads a disk whom its owner did not let in, and what is refused leaves nothing behind.</summary>
public sealed class MountRefusalTests
{
    private static PSCredential Account(string secret)
    {
        var password = new SecureString();
        foreach (char c in secret) password.AppendChar(c);
        return new PSCredential("esx", password);
    }

    private static SigningIdentity Identity() =>
        SigningIdentity.Create("p256", DateTime.UtcNow.AddDays(-1), DateTime.UtcNow.AddDays(1));

    /// <summary>Who may connect is no proof of who does: addresses and names can be taken by others.</summary>
    [Theory]
    [InlineData("-Address 0.0.0.0")]
    [InlineData("-Address ::")]
    [InlineData("-Address 192.0.2.1 -Writable")]
    [InlineData("-Address 192.0.2.1 -Initiator 192.0.2.9")]
    [InlineData("-Address 0.0.0.0 -Protocol Iscsi")]
    [InlineData("-Address 192.0.2.1 -Protocol Iscsi -Initiator iqn.2000-01.org.example:host")]
    public async Task A_disk_that_others_could_reach_without_proof_is_not_served(string how)
    {
        using MountRoom room = await MountRoom.MakeAsync();
        EngineSession.Result result = room.TryMount(how);
        Assert.Equal([ErrorIds.MountNotProtected], result.ErrorIds);
        Assert.Contains("could read the disk", result.Errors[0].Exception.Message, StringComparison.Ordinal);
        await room.AssertNothingServedAsync();
    }

    [Fact]
    public async Task With_proof_or_where_the_owner_says_so_other_machines_are_served()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        using SigningIdentity identity = Identity();
        // Nothing listens: it is decided whether it would.
        Assert.Empty(room.TryMount("-Address 0.0.0.0 -Insecure -WhatIf").ErrorIds);
        Assert.Empty(room.TryMount("-Address 0.0.0.0 -Certificate $args[0] -WhatIf", identity.Own).ErrorIds);
        Assert.Empty(room.TryMount("-Address 0.0.0.0 -Protocol Iscsi -Credential $args[0] -WhatIf",
            Account("correcthorse")).ErrorIds);
        await room.AssertNothingServedAsync();
    }

    [Fact]
    public async Task What_proves_nothing_is_refused()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        using SigningIdentity identity = Identity();
        using X509Certificate2 withoutKey = X509CertificateLoader.LoadCertificate(identity.Own.RawData);
        // On this machine, too: whoever asks for protection gets it, or nothing.
        Assert.Equal([ErrorIds.MountNotProtected], room.TryMount("-Certificate $args[0]", withoutKey).ErrorIds);
        Assert.Equal([ErrorIds.MountNotProtected],
            room.TryMount("-Protocol Iscsi -Credential $args[0]", Account("elevenchars")).ErrorIds);
        await room.AssertNothingServedAsync();
    }

    [Fact]
    public async Task What_cannot_be_meant_is_refused_by_its_name()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        using SigningIdentity identity = Identity();
        (string How, object? Given, string Parameter)[] cases =
        [
            ("-OverlayPath o", null, "OverlayPath"),
            ("-OverlayPath o -KeepOverlay", null, "OverlayPath"),
            ("-KeepOverlay", null, "KeepOverlay"),
            ("-Writable -KeepOverlay", null, "KeepOverlay"),
            ("-Initiator iqn.2000-01.org.example:host", null, "Initiator"),
            ("-Initiator 10.0.0.1, backup.example", null, "Initiator"),
            ("-ClientCa $args[0]", identity.Root, "ClientCa"),
            ("-Protocol Iscsi -Certificate $args[0]", identity.Own, "Certificate"),
            ("-Credential $args[0]", Account("correcthorse"), "Credential"),
        ];
        foreach ((string how, object? given, string parameter) in cases)
        {
            EngineSession.Result result = room.TryMount(how, given);
            Assert.Equal([ErrorIds.CapabilityMissing], result.ErrorIds);
            Assert.StartsWith($"-{parameter} has no meaning", result.Errors[0].Exception.Message,
                StringComparison.Ordinal);
        }
        await room.AssertNothingServedAsync();
    }

    [Theory]
    [InlineData(MountProtocol.Nbd)]
    [InlineData(MountProtocol.Iscsi)]
    public async Task Who_is_not_listed_is_cut_off_before_a_word_is_said(MountProtocol protocol)
    {
        using MountRoom room = await MountRoom.MakeAsync();
        PointMount mount = Assert.Single(room.Mount(
            $"-DiskId scsi1 -Protocol {protocol} -Initiator 127.0.0.2, 127.0.0.3"));
        using (MountClient stranger = await MountClient.ConnectAsync(mount, IPAddress.Loopback))
            Assert.Equal(0, stranger.WaitForEnd());
        Assert.Equal(0, Assert.Single(room.Served()).Connections);
        using MountClient listed = await MountClient.ConnectAsync(mount, IPAddress.Parse("127.0.0.3"));
        await room.UntilAsync(mount.MountId, m => m.Connections == 1);
        if (protocol != MountProtocol.Nbd) return;
        using MountClient reader = await MountClient.OpenAsync(mount, IPAddress.Parse("127.0.0.2"));
        Assert.Equal(MountRoom.DataDisk[..4096], reader.Read(0, 4096));
    }

    [Fact]
    public async Task A_mount_is_found_by_four_digits_and_another_one_is_told()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        PointMount mount = Assert.Single(room.Mount("-DiskId scsi1"));
        string other = new([.. mount.MountId.Select(c => c == '0' ? '1' : '0')]);
        foreach (string unknown in new[] { other, mount.MountId[..3] })
        {
            foreach (string cmdlet in new[] { "Get-NataliaMount", "Dismount-NataliaRestorePoint" })
                Assert.Equal([ErrorIds.MountNotFound], room.Run($"{cmdlet} {unknown}").ErrorIds);
        }
        string start = mount.MountId[..4].ToUpperInvariant();
        Assert.Equal(mount.MountId, Assert.Single(MountRoom.Mounts(room.Run($"Get-NataliaMount '{start}'"))).MountId);
        Assert.Equal(1, await room.CountMarksAsync());
        Assert.Empty(room.Run($"Dismount-NataliaRestorePoint '{start}'").ErrorIds);
        Assert.Equal([ErrorIds.MountNotFound], room.Run($"Dismount-NataliaRestorePoint '{start}'").ErrorIds);
        await room.AssertNothingServedAsync();
    }

    [Fact]
    public async Task An_overlay_that_cannot_be_made_is_told_and_the_point_is_free_again()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        string overlay = room.File("none/try.overlay");
        foreach (string kept in new[] { "", "-KeepOverlay" })
        {
            EngineSession.Result result = room.TryMount($"-DiskId scsi1 -Writable -OverlayPath '{overlay}' {kept}");
            Assert.Equal([ErrorIds.OverlayFailed], result.ErrorIds);
            await room.AssertNothingServedAsync();
        }
        await File.WriteAllTextAsync(room.File("letter"), "somebody's");
        Assert.Equal([ErrorIds.DestinationExists],
            room.TryMount($"-DiskId scsi1 -Writable -OverlayPath '{room.File("letter")}'").ErrorIds);
        Assert.Equal([ErrorIds.OverlayInvalid],
            room.TryMount($"-DiskId scsi1 -Writable -OverlayPath '{room.File("letter")}' -KeepOverlay").ErrorIds);
        Assert.Equal("somebody's", await File.ReadAllTextAsync(room.File("letter")));
        await room.AssertNothingServedAsync();
    }

    /// <summary>Also a client that does not care that the disk is said to be read-only.</summary>
    [Fact]
    public async Task What_is_not_writable_takes_no_write()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        PointMount mount = Assert.Single(room.Mount("-DiskId scsi1"));
        using MountClient client = await MountClient.OpenAsync(mount);
        Assert.Equal(MountClient.NotPermitted, client.Write(0, new byte[4096]));
        Assert.Equal(MountRoom.DataDisk[..4096], client.Read(0, 4096));
        PointMount now = Assert.Single(room.Served());
        Assert.Equal((false, 0L, (long?)null), (now.IsWritable, now.BytesWritten, now.OverlayBytes));
    }
}
