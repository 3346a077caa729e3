using Natalia.Backup.Module.Tests.Commands;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

/// <summary>The kernel says that what was written is not on the disk.</summary>
public sealed class FlushFailureTests : IDisposable
{
    private readonly FolderFixture _fixture = new FolderFixture().WithRepository("nas");

    public void Dispose() => _fixture.Dispose();

    [StraceFact]
    public void A_backup_that_cannot_be_flushed_fails_and_makes_no_point()
    {
        _fixture.BackUp();
        foreach ((string error,
            string id) in new[] { ("EIO", "StoreWriteFailed"), ("ENOSPC", "StoreFull"), ("EDQUOT", "StoreFull") })
        {
            string told = RunWithoutFlush(error, $"""
                $null = Connect-NataliaHypervisor -Folder '{_fixture.Appliances}'
                $null = Connect-NataliaRepository -Path '{_fixture.Full("nas")}' -Unencrypted
                Invoke-NataliaBackup -Appliance natalia-paris -ErrorVariable e -ErrorAction SilentlyContinue
                $e.FullyQualifiedErrorId
                """);
            Assert.StartsWith(id + ",", told, StringComparison.Ordinal);
            Assert.Equal(1, _fixture.Run("(Get-NataliaRestorePoint).Count").ThrowIfFailed().Single.BaseObject);
        }
        // What the failed runs left harms nothing, and is written anew.
        _fixture.BackUp();
        Assert.Equal(true, _fixture.Run("Test-NataliaRepository -Full -Quiet").ThrowIfFailed().Single.BaseObject);
        Assert.Equal(2,
            _fixture.Run("(Get-NataliaRestorePoint | Test-NataliaRestorePoint | Where-Object Result -eq Passed).Count")
                .ThrowIfFailed().Single.BaseObject);
    }

    [StraceFact]
    public void An_export_that_cannot_be_flushed_fails_and_makes_no_file()
    {
        _fixture.BackUp();
        string told = RunWithoutFlush("EIO", $"""
            $null = Connect-NataliaRepository -Path '{_fixture.Full("nas")}' -Unencrypted
            Get-NataliaRestorePoint | Export-NataliaDisk -Destination '{_fixture.Full("out.raw")}' -ErrorVariable e -ErrorAction SilentlyContinue
            Get-NataliaRestorePoint | Export-NataliaApplianceConfiguration -Destination '{_fixture.Full("out.json")}' -ErrorVariable f -ErrorAction SilentlyContinue
            "$($e.FullyQualifiedErrorId) $($f.FullyQualifiedErrorId)"
            """);
        Assert.Matches("^DestinationWriteFailed,.* DestinationWriteFailed,", told);
        Assert.Empty(Directory.GetFiles(_fixture.Root, "out*"));
    }

    private string RunWithoutFlush(string error, string script)
    {
        string path = _fixture.Full("script.ps1");
        File.WriteAllText(path, script);
        var environment = new Dictionary<string, string?>();
        (_, string output, string errors, IReadOnlyList<string> flushed) = InjectedFlushFailures.Run(error,
            _fixture.Full("strace"), environment, BuildLayout.Runner, path);
        Assert.True(flushed.Count > 0, errors + output);
        // A flush that failed proves nothing when it is repeated.
        Assert.Equal(flushed.Distinct(), flushed);
        return output.Trim();
    }
}
