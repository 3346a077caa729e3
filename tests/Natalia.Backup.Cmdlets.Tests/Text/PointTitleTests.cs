using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Cmdlets.Tests.Text;

public sealed class PointTitleTests
{
    [Fact]
    public void A_title_keeps_its_zone_where_a_console_cuts_it_after_40_cells()
    {
        string title = "Testing " + PointTitle.Of(new RestorePoint
        {
            RestorePointId = new string('1', 32),
            ApplianceId = new string('a', 32),
            ApplianceName = "natalia-paris",
            RepositoryId = new string('b', 32),
            Repository = "nas",
            TimeUtc = new DateTime(2026, 11, 30, 8, 12, 15, DateTimeKind.Utc),
        });
        Assert.Equal("Testing natalia-paris 2026-11-30 08:12Z", title);
        Assert.InRange(title.Length, 0, 40);
    }
}
