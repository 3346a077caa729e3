namespace Natalia.Backup.Testing;

/// <summary>
/// The reason of a skipped test, in its name as well: what 'dotnet test' prints of such a test is its name alone.
/// </summary>
public static class SkippedTest
{
    /// <param name="test">The name of the test.</param>
    /// <param name="obstacle">Why it cannot be run, or null.</param>
    /// <returns>What belongs into the attribute; nothing where there is no obstacle.</returns>
    public static (string Skip, string Name) With(string test, string? obstacle) =>
        obstacle is null ? (null!, null!) : (obstacle, $"{test}: {obstacle.Replace("\r", "").Replace('\n', ' ')}");
}
