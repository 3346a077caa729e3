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
        // Most words stand together; some beside the records that they name.
        IEnumerable<string> own = Constants(engine.GetType("Natalia.Backup.Engine.Audit.AuditEvents")!)
            .Concat(engine.GetTypes().SelectMany(t => Constants(t, "Event")));
        MethodInfo word = engine.GetType("Natalia.Backup.Engine.Audit.NativeRecords")!
            .GetMethod("Word", BindingFlags.NonPublic | BindingFlags.Static)!;
        IEnumerable<string> native = Enum.GetValues<NativeEvent>().Select(e => (string)word.Invoke(null, [e])!);
        ValidateSetAttribute offered = typeof(GetNataliaAuditRecordCommand)
            .GetProperty(nameof(GetNataliaAuditRecordCommand.Event))!.GetCustomAttribute<ValidateSetAttribute>()!;

        Assert.Equal(own.Concat(native).Order(), offered.ValidValues.Order());

        static IEnumerable<string> Constants(Type type, string end = "") =>
            type.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static)
                .Where(f => f.IsLiteral && !type.IsEnum && f.FieldType == typeof(string)
                    && f.Name.EndsWith(end, StringComparison.Ordinal))
                .Select(f => (string)f.GetRawConstantValue()!);
    }
}
