namespace Natalia.Backup.Testing;

/// <summary>A program of others that reads and writes block devices.</summary>
public static class BlockClient
{
    /// <summary>Runs it; a test fails when it does not end as it should.</summary>
    /// <returns>What it printed.</returns>
    public static string Run(bool succeeds, params string[] command)
    {
        (int code, string output, string errors) = Counterpart.BlockClients.Run(new Dictionary<string, string?>(),
            ["-c", "\"$0\" \"$@\" 2>&1", .. command]);
        Assert.True(code == 0 == succeeds, $"{string.Join(' ', command)}\n{output}{errors}");
        return output;
    }
}
