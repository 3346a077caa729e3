using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>A VM that is being written into its hidden folder.</summary>
internal sealed class FolderUnderConstruction(FolderBuilder builder, BuildingFolder building,
    ApplianceDescription like, BuildRequest how, string folder) : IApplianceUnderConstruction
{
    private const string AttachmentFolder = "attachments";

    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);

    private readonly List<(ApplianceDisk Disk, string File)> _disks = [];
    private bool _isOver;

    public string NativeId => building.NativeId;

    public IDiskTarget GetDisk(string diskId, long sizeBytes)
    {
        ApplianceDisk disk = like.Disks.FirstOrDefault(d => d.DiskId == diskId)
            ?? new ApplianceDisk(diskId, DiskRole.Unknown, sizeBytes);
        string file = FileName(disk.Role);
        builder.Step("write a disk");
        lock (_disks) _disks.Add((disk with { SizeBytes = sizeBytes }, file));
        return new RawDiskTarget(Path.Combine(building.Path, file));
    }

    public async Task<ApplianceDescription> CompleteAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        string path = building.Path;
        try
        {
            builder.Step("write the attachments");
            WriteAttachments(path);
            builder.Step("write the description");
            WriteFlushed(Path.Combine(path, DescriptionFile.FileName), BuiltDescription.Write(building.NativeId, like,
                how, _disks, AttachmentFolder));
            StableFile.FlushFolder(path);
            builder.Step("read back");
            ReadBack(path);
            cancellationToken.ThrowIfCancellationRequested();
            builder.Step("finish");
            if (Directory.Exists(folder) || File.Exists(folder)) throw FolderBuilder.NameInUse(how.Name, folder);
            Directory.Move(path, folder);
            _isOver = true;
            builder.FlushFolder(Path.GetDirectoryName(folder)!);
        }
        catch (IOException) when (!_isOver && (Directory.Exists(folder) || File.Exists(folder)))
        {
            throw FolderBuilder.NameInUse(how.Name, folder);
        }
        catch (IOException e) when (_isOver)
        {
            // Nobody removes a VM that is listed by now.
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                $"The VM '{how.Name}' is written to '{folder}' and stays there, but it may not be there any more after "
                + $"a power failure: {e.Message}", folder,
                "Check the disk or share. Where the VM is not wanted, remove its folder.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                $"The VM '{how.Name}' could not be written to '{folder}': {e.Message}", folder,
                "Check the disk or share, and that there is room on it. What was written is removed.", e);
        }
        return await Task.FromResult(ReadBack(folder)).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        if (_isOver) return;
        _isOver = true;
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        await builder.RemoveUnfinishedAsync(
            new UnfinishedAppliance(building.NativeId, how.Name, building.BuildId, building.StartedUtc),
            limit.Token).ConfigureAwait(false);
    }

    /// <summary>Speaks of the disk's role; two of one role are numbered.</summary>
    private string FileName(DiskRole role)
    {
        string stem = role switch { DiskRole.System => "system", DiskRole.Data => "data", _ => "disk" };
        lock (_disks)
        {
            string name = stem + ".raw";
            for (int i = 2; _disks.Exists(d => d.File == name); i++) name = $"{stem}{i}.raw";
            return name;
        }
    }

    private void WriteAttachments(string path)
    {
        if (how.Attachments.Count == 0) return;
        string room = Path.Combine(path, AttachmentFolder);
        PrivateFolder.Create(room);
        foreach (ApplianceAttachment attachment in how.Attachments)
        {
            if (!ApplianceAttachment.IsName(attachment.Name))
                throw new ArgumentException($"'{attachment.Name}' cannot be a file's name.");
            WriteFlushed(Path.Combine(room, attachment.Name), attachment.Content.ToArray());
        }
        StableFile.FlushFolder(room);
    }

    private static void WriteFlushed(string file, byte[] bytes)
    {
        using FileStream stream = PrivateFile.Open(file, FileMode.CreateNew, FileAccess.Write);
        stream.Write(bytes, 0, bytes.Length);
        StableFile.Flush(stream);
    }

    /// <summary>The VM as the folder shows it; it must be what was asked for.</summary>
    private ApplianceDescription ReadBack(string path)
    {
        ApplianceDescription? made = ApplianceFolder.Read(path, ApplianceFolder.Kind)?.Description;
        bool isWhole = made is not null && made.NativeId == building.NativeId && made.Name == how.Name
            && made.Disks.Select(d => (d.DiskId, d.SizeBytes)).SequenceEqual(
                BuiltDescription.InOrder(like, _disks).Select(d => (d.Disk.DiskId, d.Disk.SizeBytes)));
        return isWhole
            ? made!
            : throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The VM '{how.Name}' in '{path}' is not as it was written.", path, "Check the disk or share.");
    }
}
