"""Access to DynamoDB."""
