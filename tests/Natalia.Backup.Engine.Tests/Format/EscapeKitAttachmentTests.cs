using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Format;

/// <summary>The reader that was written from docs/format.md alone knows attachments as well.</summary>
public sealed class EscapeKitAttachmentTests
{
    [PythonTheory]
    [InlineData(null)]
    [InlineData("p")]
    public async Task The_escape_kit_lists_checks_and_writes_them(string? password)
    {
        using var folder = new TemporaryFolder();
        using var fixture = new RepositoryFixture(FolderStore.Open(folder["repository"], create: true))
        {
            Password = password,
        };
        byte[] content = new byte[1_500_000];
        new Random(1).NextBytes(content);
        var one = new ApplianceAttachment("uefi-variables", AttachmentKind.UefiVariables, content);
        var empty = new ApplianceAttachment("empty", AttachmentKind.Other, default);
        using (Repository repository = await fixture.CreateAsync()) await repository.BackupAsync(
                Request(new MemoryDiskSource(Disk(300_000, 1))) with { Attachments = [one, empty] }, null, null,
                default);
        Assert.Contains("\"uefi-variables\"", EscapeKit.MustRun(password, "list", folder["repository"], "--json"));
        Directory.CreateDirectory(folder["out"]);
        EscapeKit.MustRun(password, "attachments", folder["repository"], "latest", folder["out"]);
        Assert.Equal(content, File.ReadAllBytes(Path.Combine(folder["out"], "uefi-variables")));
        Assert.Empty(File.ReadAllBytes(Path.Combine(folder["out"], "empty")));
        // What is there is not overwritten.
        (int code, _, string errors) = EscapeKit.Run(password, "attachments", folder["repository"], "latest",
            folder["out"]);
        Assert.Equal(2, code);
        Assert.Contains("not overwritten", errors);
        EscapeKit.MustRun(password, "check", folder["repository"], "--data");

        string pack = Directory.GetFiles(folder["repository"], "*", SearchOption.AllDirectories)
            .Where(p => p.Contains($"{Path.DirectorySeparatorChar}meta{Path.DirectorySeparatorChar}"))
            .MaxBy(p => new FileInfo(p).Length)!;
        byte[] bytes = File.ReadAllBytes(pack);
        bytes[700_000] ^= 1;
        File.WriteAllBytes(pack, bytes);
        (code, _, errors) = EscapeKit.Run(password, "check", folder["repository"], "--data");
        Assert.Equal(1, code);
        Assert.Contains("attachment 'uefi-variables'", errors);
    }
}
