# A function for the steps of a PGFlow project, and a policy for the dispatcher that invokes it.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "function_name" {
  type    = string
  default = "pgflow-steps"
}

variable "concurrency" {
  description = "How many attempts run at once; max_in_flight in pgflow.toml."
  type        = number
  default     = 100
}

resource "aws_cloudwatch_log_group" "steps" {
  name              = "/aws/lambda/${var.function_name}"
  retention_in_days = 30
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "logs" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.steps.arn}:*"]
  }
}

resource "aws_iam_role" "steps" {
  name               = var.function_name
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "logs" {
  name   = "logs"
  role   = aws_iam_role.steps.id
  policy = data.aws_iam_policy_document.logs.json
}

resource "aws_lambda_function" "steps" {
  function_name    = var.function_name
  filename         = "${path.module}/function.zip"
  source_code_hash = filebase64sha256("${path.module}/function.zip")
  handler          = "pgflow_function.handler"
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  memory_size      = 512
  # The longest step's timeout, and 15 s.
  timeout                        = 75
  reserved_concurrent_executions = var.concurrency
  role                           = aws_iam_role.steps.arn
  publish                        = true

  depends_on = [aws_cloudwatch_log_group.steps]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.steps.function_name
  function_version = aws_lambda_function.steps.version
}

resource "aws_lambda_function_event_invoke_config" "live" {
  function_name          = aws_lambda_function.steps.function_name
  qualifier              = aws_lambda_alias.live.name
  maximum_retry_attempts = 0
  # launch_timeout of the steps, at least 60.
  maximum_event_age_in_seconds = 300
}

data "aws_iam_policy_document" "dispatcher" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_alias.live.arn]
  }
  statement {
    actions   = ["lambda:GetFunctionEventInvokeConfig"]
    resources = [aws_lambda_function.steps.arn, aws_lambda_alias.live.arn]
  }
}

resource "aws_iam_policy" "dispatcher" {
  name        = "${var.function_name}-dispatcher"
  description = "Attach to the role that pgflow dispatch runs as."
  policy      = data.aws_iam_policy_document.dispatcher.json
}

output "function" {
  description = "What `function` in [executors.lambda] of pgflow.toml names."
  value       = aws_lambda_alias.live.arn
}

output "dispatcher_policy" {
  description = "The policy to attach to the dispatcher's role."
  value       = aws_iam_policy.dispatcher.arn
}
