using System.Management.Automation;
using System.Reflection;
using Natalia.Backup.Commands;
using Natalia.Backup.Engine.Audit;

namespace Natalia.Backup.Cmdlets.Tests.Arguments;

public sealed class AuditEventTests
{
    [Fact]
    public void Every_event_that_a_log_can_hold_can_be_asked_for()
    {
        Assembly engine = typeof(AuditRecord).Assembly;
        IEnumerable<string> own = Constants("AuditEvents").Concat(Constants("ReclaimRecords", "Event"));
        MethodInfo word = engine.GetType("Natalia.Backup.Engine.Audit.NativeRecords")!
            .GetMethod("Word", BindingFlags.NonPublic | BindingFlags.Static)!;
        IEnumerable<string> native = Enum.GetValues<NativeEvent>().Select(e => (string)word.Invoke(null, [e])!);
        ValidateSetAttribute offered = typeof(GetNataliaAuditRecordCommand)
            .GetProperty(nameof(GetNataliaAuditRecordCommand.Event))!.GetCustomAttribute<ValidateSetAttribute>()!;

        Assert.Equal(own.Concat(native).Order(), offered.ValidValues.Order());

        IEnumerable<string> Constants(string type, string? name = null) =>
            engine.GetType("Natalia.Backup.Engine.Audit." + type)!
                .GetFields(BindingFlags.NonPublic | BindingFlags.Static)
                .Where(f => f.IsLiteral && (name is null || f.Name == name))
                .Select(f => (string)f.GetRawConstantValue()!);
    }
}
