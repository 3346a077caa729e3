using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage.Folders;

namespace Natalia.Backup.Cmdlets.Tests.Points;

/// <summary>What Export-NataliaDisk says it writes is what it writes.</summary>
public sealed class ExportedDiskTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-disk-");
    private readonly EngineSession _session = new();

    public void Dispose()
    {
        _session.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Of_two_disks_that_may_both_be_meant_none_is_named_or_asked_for_before_it_is_refused()
    {
        await MakePointAsync(DiskRole.System, DiskRole.System);
        EngineSession.Result preview =
            _session.Run("Get-NataliaRestorePoint | Export-NataliaDisk -Destination $args[0] -WhatIf",
            _folder.FullName);
        Assert.Equal([ErrorIds.DiskAmbiguous], preview.ErrorIds);
        EngineSession.Result unknown =
            _session.Run("Get-NataliaRestorePoint | Export-NataliaDisk -DiskId scsi7 -Destination $args[0] -WhatIf",
            _folder.FullName);
        Assert.Equal([ErrorIds.DiskNotFound], unknown.ErrorIds);
    }

    [Fact]
    public async Task What_could_not_be_written_is_not_said_to_have_been()
    {
        await MakePointAsync(DiskRole.Data);
        const string twice = "$p = Get-NataliaRestorePoint; $p, $p | Export-NataliaDisk -Destination "
            + "$args[0]";
        Assert.Equal([ErrorIds.DestinationWriteFailed, ErrorIds.DestinationWriteFailed],
            _session.Run(twice, Path.Combine(_folder.FullName, "absent", "x.raw")).ErrorIds);
        Assert.Equal([ErrorIds.DestinationExists],
            _session.Run(twice, Path.Combine(_folder.FullName, "x.raw")).ErrorIds);
    }

    [Fact]
    public async Task The_file_bears_the_disks_own_name_however_it_was_typed()
    {
        await MakePointAsync(DiskRole.System, DiskRole.Data);
        string[] files =
            [.. _session.Run("$to = $args[0]; 'SCSI0', 'scsi0' | ForEach-Object { Get-NataliaRestorePoint | "
                + "Export-NataliaDisk -DiskId $_ -Destination $to -Force }",
            _folder.FullName).Output
            .Select(f => (string)f.Properties["Path"].Value)];
        Assert.Equal(2, files.Length);
        Assert.Equal(files[0], files[1]);
        Assert.EndsWith("-scsi0.raw", files[0], StringComparison.Ordinal);
    }

    private async Task MakePointAsync(params DiskRole[] roles)
    {
        string path = Path.Combine(_folder.FullName, "repo");
        using (Repository repository = await Repository.CreateAsync(FolderStore.Open(path, create: true), null,
            new RepositoryOptions { Label = "repo" }, default))
        {
            await repository.BackupAsync(new BackupRequest
            {
                Appliance = new ApplianceDescription
                {
                    ApplianceId = new string('a', 32),
                    Name = "natalia-test",
                    HypervisorKind = "Fake",
                },
                Disks = [.. roles.Select((role, i) => new BackupDisk($"scsi{i}", role, new EmptyDisk()))],
                TimeUtc = DateTime.UtcNow,
            }, null, null, default);
        }
        Assert.Empty(_session.Run("$null = Connect-NataliaRepository $args[0] -Name repo -Unencrypted", path).Errors);
    }

    private sealed class EmptyDisk : IDiskSource
    {
        public long SizeBytes => 1 << 20;

        public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Yield();
            yield break;
        }

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            buffer.Span.Clear();
            return ValueTask.CompletedTask;
        }

        public void Dispose() { }
    }
}
